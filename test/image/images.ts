// Builds images for real, from bases that this machine makes itself, without any registry.
//
// - Everything lies below one directory, storage and cgroup names included; nothing of the
//   machine's own container storage is touched.
// - The runtime base is as bare as the published one: glibc, libstdc++, authorities, no shell.

import { execFile } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { projectRoot } from "../meta/source-text.ts";

const exec = promisify(execFile);

export const imageTools: readonly string[] = ["buildah", "podman", "runc", "debootstrap", "npm"];
export const imageToolsFrom: string =
  "apt-get install buildah podman runc debootstrap uidmap netavark aardvark-dns " +
  "golang-github-containers-common catatonit";

export const appImage = "localhost/sealtail:test";
const buildBase = "localhost/base-build:test";
const runtimeBase = "localhost/base-runtime:test";

export class Images implements Disposable {
  readonly dir: string;
  readonly #env: NodeJS.ProcessEnv;

  constructor(dir: string = mkdtempSync(join(tmpdir(), "sealtail-image-"))) {
    this.dir = dir;
    const at = (name: string): string => join(this.dir, name);
    writeFileSync(at("policy.json"), '{"default":[{"type":"insecureAcceptAnything"}]}');
    const places = `graphroot = "${at("store")}"\nrunroot = "${at("run")}"`;
    writeFileSync(at("storage.conf"), `[storage]\ndriver = "overlay"\n${places}\n`);
    writeFileSync(at("registries.conf"), "unqualified-search-registries = []\n");
    writeFileSync(
      at("containers.conf"),
      '[containers]\ndefault_ulimits = ["nofile=20000:20000","nproc=4096:4096"]\n' +
        '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n' +
        `tmp_dir = "${at("tmp")}"\n[network]\nnetwork_backend = "netavark"\n`,
    );
    this.#env = {
      ...process.env,
      CONTAINERS_STORAGE_CONF: at("storage.conf"),
      CONTAINERS_REGISTRIES_CONF: at("registries.conf"),
      CONTAINERS_CONF: at("containers.conf"),
    };
  }

  /** Runs a tool; its output, standard error last. */
  async run(tool: string, words: readonly string[]): Promise<string> {
    const options = { env: this.#env, maxBuffer: 2 ** 26, cwd: projectRoot };
    const { stdout, stderr } = await exec(tool, words, options);
    return tool === "buildah" ? stdout + stderr : stdout;
  }

  podman(...words: string[]): Promise<string> {
    return this.run("podman", ["--runtime", "runc", ...words]);
  }

  /** A Debian with node and npm, and next to nothing: what the Dockerfile's two stages begin at. */
  async makeBases(): Promise<void> {
    const debian = join(this.dir, "debian");
    const mirror = ["--variant=minbase", "--include=ca-certificates", "bookworm", debian];
    await this.run("debootstrap", mirror);
    const bare = join(this.dir, "bare");
    this.#copyBareParts(debian, bare);
    await this.#import(bare, runtimeBase);
    this.#addNode(debian);
    await this.#import(debian, buildBase);
    for (const dir of [debian, bare]) rmSync(dir, { recursive: true, force: true });
  }

  async build(): Promise<void> {
    const words = ["bud", "--pull-never", "--isolation", "chroot", "--network=host"];
    const policy = ["--signature-policy", join(this.dir, "policy.json"), "--format", "docker"];
    const bases = [`BUILD_BASE=${buildBase}`, `RUNTIME_BASE=${runtimeBase}`];
    const args = bases.flatMap((base) => ["--build-arg", base]);
    await this.run("buildah", [
      ...words,
      ...policy,
      ...args,
      ...(await this.#registry()),
      ...["--build-arg", "REVISION=test", "-t", appImage, "."],
    ]);
  }

  // The npm of this machine says how a registry is reached; none of that stays in the image.
  async #registry(): Promise<string[]> {
    const registry = (await this.run("npm", ["config", "get", "registry"])).trim();
    const authorities = process.env["NODE_EXTRA_CA_CERTS"];
    const inside = "/etc/npm-authorities.pem";
    const lines = [`registry=${registry}`, ...(authorities ? [`cafile=${inside}`] : [])];
    const npmrc = join(this.dir, "npmrc");
    writeFileSync(npmrc, `${lines.join("\n")}\n`);
    const mount = authorities ? ["--volume", `${realpathSync(authorities)}:${inside}:ro`] : [];
    return ["--secret", `id=npmrc,src=${npmrc}`, ...mount];
  }

  async #import(dir: string, name: string): Promise<void> {
    const archive = `${dir}.tar`;
    await this.run("tar", ["-C", dir, "-cf", archive, "."]);
    await this.podman("import", archive, name);
    rmSync(archive);
  }

  #copyBareParts(debian: string, bare: string): void {
    for (const dir of ["etc/ssl/certs", "lib64", "tmp"]) {
      mkdirSync(join(bare, dir), { recursive: true });
    }
    const authorities = "etc/ssl/certs/ca-certificates.crt";
    copyFileSync(join(debian, authorities), join(bare, authorities));
    const libs = "usr/lib/x86_64-linux-gnu";
    const wanted = /^(?:ld-linux|lib(?:c|m|dl|rt|pthread|gcc_s|stdc\+\+|nss_[a-z]+|resolv)\.so)/;
    const target = join(bare, "lib/x86_64-linux-gnu");
    mkdirSync(target, { recursive: true });
    for (const name of readdirSync(join(debian, libs)).filter((each) => wanted.test(each))) {
      copyFileSync(join(debian, libs, name), join(target, name));
    }
    const loader = "ld-linux-x86-64.so.2";
    cpSync(join(target, loader), join(bare, "lib64", loader));
    writeFileSync(join(bare, "etc/passwd"), "nonroot:x:65532:65532::/:/nowhere\n");
  }

  #addNode(debian: string): void {
    cpSync(realpathSync(process.execPath), join(debian, "usr/local/bin/node"));
    const onPath = (process.env["PATH"] ?? "").split(":").map((dir) => join(dir, "npm"));
    const npm = dirname(dirname(realpathSync(onPath.find(existsSync) ?? "npm")));
    const target = join(debian, "usr/local/lib/node_modules/npm");
    cpSync(npm, target, { recursive: true });
    writeFileSync(
      join(debian, "usr/local/bin/npm"),
      '#!/bin/sh\nexec node /usr/local/lib/node_modules/npm/bin/npm-cli.js "$@"\n',
      { mode: 0o755 },
    );
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 3 });
    for (const controller of readdirSync("/sys/fs/cgroup")) {
      try {
        rmdirSync(join("/sys/fs/cgroup", controller, "libpod_parent"));
      } catch {
        // Not made for this controller, or in use by somebody else.
      }
    }
  }
}
