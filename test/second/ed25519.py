"""Ed25519 as docs/spec/ed25519.md narrows it: cofactorless, k reduced, R compared as bytes."""

from functools import lru_cache
from hashlib import sha512

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
D2 = 2 * D % P
SQRT_M1 = pow(2, (P - 1) // 4, P)
NEUTRAL = (0, 1, 1, 0)


def add(a, b):
    ax, ay, az, at = a
    bx, by, bz, bt = b
    m = (ay - ax) * (by - bx) % P
    n = (ay + ax) * (by + bx) % P
    c = at * D2 * bt % P
    d = 2 * az * bz % P
    e, f, g, h = n - m, d - c, d + c, n + m
    return e * f % P, g * h % P, f * g % P, e * h % P


def double(a):
    x, y, z, _ = a
    aa = x * x % P
    bb = y * y % P
    h = aa + bb
    e = h - (x + y) * (x + y) % P
    g = aa - bb
    f = 2 * z * z % P + g
    return e * f % P, g * h % P, f * g % P, e * h % P


def sqrt_ratio(u, v):
    """x with x² = u / v, or None."""
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if (v * x * x - u) % P == 0:
        return x
    if (v * x * x + u) % P == 0:
        return x * SQRT_M1 % P
    return None


def x_of(y, sign):
    x = sqrt_ratio((y * y - 1) % P, (D * y * y + 1) % P)
    if x is None:
        return None
    return P - x if x & 1 != sign else x


def affine(x, y):
    return x, y, 1, x * y % P


BASE = affine(x_of(4 * pow(5, P - 2, P) % P, 0), 4 * pow(5, P - 2, P) % P)


def window(point):
    row = [NEUTRAL, point]
    while len(row) < 16:
        row.append(add(row[-1], point))
    return row


def base_table():
    rows, point = [], BASE
    for _ in range(64):
        rows.append(window(point))
        for _ in range(4):
            point = double(point)
    return rows


BASE_ROWS = base_table()


def mul_base(n):
    total = NEUTRAL
    for row in BASE_ROWS:
        if n & 15:
            total = add(total, row[n & 15])
        n >>= 4
    return total


def mul(n, point):
    row, total = window(point), NEUTRAL
    for shift in range(252, -1, -4):
        total = double(double(double(double(total))))
        total = add(total, row[n >> shift & 15])
    return total


def encode(point):
    x, y, z, _ = point
    inverse = pow(z, P - 2, P)
    x, y = x * inverse % P, y * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decode(key):
    """The point of a public key, or None for a BAD_KEY."""
    if len(key) != 32:
        return None
    n = int.from_bytes(key, "little")
    y, sign = n & (1 << 255) - 1, n >> 255
    if y >= P or y in SMALL:
        return None
    x = x_of(y, sign)
    return None if x is None else affine(x, y)


SMALL = {
    0,
    1,
    P - 1,
    int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
    int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
}


def good_key(key):
    return decode(key) is not None


@lru_cache(maxsize=100_000)
def verify(key, message, signature):
    point = decode(key)
    if point is None or len(signature) != 64:
        return False
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    if s >= L:
        return False
    k = int.from_bytes(sha512(r + key + message).digest(), "little") % L
    x, y, z, t = mul(k, point)
    return encode(add(mul_base(s), (P - x, y, z, P - t))) == r


@lru_cache(maxsize=10_000)
def expand(seed):
    h = sha512(seed).digest()
    a = int.from_bytes(h[:32], "little") & (1 << 254) - 8 | 1 << 254
    return a, h[32:], encode(mul_base(a))


def public(seed):
    return expand(seed)[2]


def sign(seed, message):
    a, prefix, key = expand(seed)
    r = int.from_bytes(sha512(prefix + message).digest(), "little") % L
    rr = encode(mul_base(r))
    k = int.from_bytes(sha512(rr + key + message).digest(), "little") % L
    return rr + ((r + k * a) % L).to_bytes(32, "little")
