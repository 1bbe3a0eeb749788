// When each alert fires and when it must not, as series that promtool plays.
//
// - Time begins at 0, one sample a minute: `a+bxn` is n steps of b from a, `_` no sample.
// - A counter that is born at 1, one that is reset, and a vault that starts again are cases too.

export interface AlertCase {
  /** Series and their values, in promtool's notation. */
  readonly series: Readonly<Record<string, string>>;
  /** Minutes after the start at which is looked. */
  readonly at: number;
  readonly firing: number;
}

interface AlertCases {
  readonly fires: readonly AlertCase[];
  readonly silent: readonly AlertCase[];
}

const v = 'job="sealtail-vault",instance="v:9465"';
const a = 'job="sealtail-agent",instance="a:9464"';
const vault = (name: string, labels = ""): string => `sealtail_vault_${name}{${v}${labels}}`;
const agent = (name: string, labels = ""): string => `sealtail_agent_${name}{${a}${labels}}`;
const fires = (series: AlertCase["series"], at: number, firing = 1): AlertCase => {
  return { series, at, firing };
};
const quiet = (series: AlertCase["series"], at: number): AlertCase => ({ series, at, firing: 0 });

/** A gauge that must be 0, and may stay above it for less than `minutes`. */
function gauge(series: string, minutes = 0): AlertCases {
  return {
    fires: [fires({ [series]: "0x2 1x60" }, 4 + minutes)],
    silent: [
      quiet({ [series]: "0x60" }, 50),
      ...(minutes > 1 ? [quiet({ [series]: `0x2 1x${minutes - 2} 0x60` }, 20 + minutes)] : []),
    ],
  };
}

/** A counter that must not rise. */
function counter(series: string): AlertCases {
  return {
    fires: [
      fires({ [series]: "0x5 1x60" }, 9),
      // Born at 1: there never was a 0.
      fires({ [series]: "_x5 1x60" }, 9),
      // Born again at 1 after the program started anew.
      fires({ [series]: "7x20 _x2 0x1 1x60" }, 27),
    ],
    silent: [
      quiet({ [series]: "0x60" }, 30),
      quiet({ [series]: "5x60" }, 30),
      // Reset to 0 by a start, and nothing happened.
      quiet({ [series]: "5x30 0x40" }, 40),
      // Long ago.
      quiet({ [series]: "0x5 1x60" }, 40),
    ],
  };
}

const lag = (late: string, all: string): AlertCase["series"] => ({
  [vault("block_lag_seconds_bucket", ',le="60"')]: late,
  [vault("block_lag_seconds_count")]: all,
});

export const alertCases: Readonly<Record<string, AlertCases>> = {
  SealtailGapOpen: {
    fires: [
      ...gauge(vault("open_gaps", ',cause="truncated"')).fires,
      // The vault starts again and finds the gap in its store: the alert goes on.
      fires({ [vault("open_gaps", ',cause="truncated"')]: "1x10 _x3 1x20" }, 20),
    ],
    silent: gauge(vault("open_gaps", ',cause="truncated"')).silent,
  },
  SealtailForkOpen: gauge(vault("open_forks")),
  SealtailChainSilent: gauge(vault("silent_chains"), 1),
  SealtailChainStopped: gauge(vault("stopped_chains"), 15),
  SealtailExpectedChainMissing: gauge(vault("expected_chains_missing", ',subject="pay-*"'), 10),
  SealtailBlockRefused: {
    ...counter(vault("verification_failures_total", ',check="bad_signature"')),
    silent: [
      ...counter(vault("verification_failures_total", ',check="bad_signature"')).silent,
      quiet({ [vault("verification_failures_total", ',check="wrong_head"')]: "0x5 9x60" }, 9),
      quiet({ [vault("verification_failures_total", ',check="unknown_root"')]: "0x5 9x60" }, 9),
    ],
  },
  SealtailGrantRefused: counter(vault("verification_failures_total", ',check="grant_expired"')),
  SealtailChainDamaged: gauge(vault("chains", ',state="damaged"')),
  SealtailFindingOpen: {
    ...gauge(vault("open_findings", ',code="source_rewritten"'), 1),
    silent: [quiet({ [vault("open_findings", ',code="restart_unclean"')]: "1x60" }, 20)],
  },
  SealtailRestartUnclean: gauge(vault("open_findings", ',code="restart_unclean"'), 1),
  SealtailChainsUnwatched: gauge(vault("chains_unwatched"), 30),
  SealtailVaultDown: {
    fires: [fires({}, 10), fires({ [vault("build_info", ',version="1"')]: "1x10 _x60" }, 25)],
    silent: [
      quiet({ [vault("build_info", ',version="1"')]: "1x60" }, 30),
      // A restart takes a minute.
      quiet({ [vault("build_info", ',version="1"')]: "1x10 _x1 1x30" }, 20),
    ],
  },
  SealtailDeliveryLate: {
    fires: [fires({ [agent("oldest_unreceipted_timestamp_seconds")]: "60x60" }, 15)],
    silent: [
      quiet({ [agent("oldest_unreceipted_timestamp_seconds")]: "0x60" }, 50),
      quiet({ [agent("oldest_unreceipted_timestamp_seconds")]: "0+60x60" }, 50),
    ],
  },
  SealtailDeliveryVeryLate: {
    fires: [fires({ [agent("oldest_unreceipted_timestamp_seconds")]: "60x90" }, 80)],
    silent: [quiet({ [agent("oldest_unreceipted_timestamp_seconds")]: "60x60" }, 30)],
  },
  SealtailFreshnessBurnFast: {
    fires: [fires(lag("0+90x90", "0+100x90"), 70)],
    silent: [quiet(lag("0+100x90", "0+100x90"), 70), quiet(lag("0x90", "0x90"), 70)],
  },
  SealtailFreshnessBurnSlow: {
    fires: [fires(lag("0+99x500", "0+100x500"), 450)],
    silent: [quiet(lag("0+999x500", "0+1000x500"), 450)],
  },
  SealtailStoreErrors: counter(vault("store_errors_total", ',code="io-error"')),
  SealtailStoreFillingUp: {
    fires: [
      fires({ [vault("store_free_bytes")]: "9e9x60" }, 20),
      fires({ [vault("store_free_bytes")]: "500e9-150000000x400" }, 380),
    ],
    silent: [quiet({ [vault("store_free_bytes")]: "500e9x60" }, 30)],
  },
  SealtailCredentialExpiring: {
    fires: [
      fires({ [vault("credential_expiry_timestamp_seconds", ',kind="tls"')]: "600000x60" }, 20),
      fires({ [agent("sink_certificate_expiry_timestamp_seconds")]: "600000x60" }, 20),
    ],
    silent: [
      quiet({ [vault("credential_expiry_timestamp_seconds", ',kind="tls"')]: "0x60" }, 30),
      quiet({ [vault("credential_expiry_timestamp_seconds", ',kind="tls"')]: "9000000x60" }, 30),
    ],
  },
  SealtailAgentDown: {
    fires: [fires({ [`up{${a}}`]: "1x3 0x30" }, 12)],
    silent: [
      quiet({ [`up{${a}}`]: "1x60" }, 30),
      quiet({ [`up{${a}}`]: "1x3 0x2 1x60" }, 20),
      quiet({ 'up{job="other",instance="x"}': "0x60" }, 30),
    ],
  },
  SealtailAgentGap: {
    ...counter(agent("gaps_total", ',cause="truncated"')),
    silent: [
      ...counter(agent("gaps_total", ',cause="truncated"')).silent,
      quiet({ [agent("gaps_total", ',cause="skipped"')]: "0x5 3x60" }, 9),
    ],
  },
  SealtailLeftOut: counter(agent("left_out_bytes_total")),
  SealtailReadingBehind: {
    fires: [
      fires({ [agent("source_oldest_unread_timestamp_seconds", ',source="app"')]: "60x60" }, 12),
    ],
    silent: [
      quiet({ [agent("source_oldest_unread_timestamp_seconds", ',source="app"')]: "0x60" }, 30),
      quiet({ [agent("source_oldest_unread_timestamp_seconds", ',source="app"')]: "0+60x60" }, 30),
    ],
  },
  SealtailBufferFilling: {
    fires: [
      fires({ [agent("wal_size_bytes")]: "9x60", [agent("wal_limit_bytes")]: "10x60" }, 10),
      fires({ [agent("wal_size_bytes")]: "30+1x60", [agent("wal_limit_bytes")]: "100x60" }, 40),
    ],
    silent: [
      quiet({ [agent("wal_size_bytes")]: "5x60", [agent("wal_limit_bytes")]: "10x60" }, 30),
      quiet({ [agent("wal_size_bytes")]: "0+1x29", [agent("wal_limit_bytes")]: "100x60" }, 25),
    ],
  },
  SealtailReadingStopped: gauge(agent("backpressure_active"), 1),
  SealtailNeedsGrant: gauge(agent("needs_grant"), 1),
  SealtailSinkRefuses: {
    ...gauge(agent("sink_state", ',state="refused"'), 1),
    silent: [
      quiet({ [agent("sink_state", ',state="refused"')]: "0x60" }, 30),
      quiet({ [agent("sink_state", ',state="unreachable"')]: "1x60" }, 30),
    ],
  },
  SealtailSourceUnreadable: counter(agent("source_unreadable_total", ',source="app"')),
  SealtailOutsideGrant: gauge(agent("source_outside_grant_files", ',source="app"'), 5),
  SealtailSourceEmpty: {
    fires: [
      fires({ [agent("source_files", ',source="app"')]: "0x60" }, 40),
      // Another source has files.
      fires(
        {
          [agent("source_files", ',source="app"')]: "5x60",
          [agent("source_files", ',source="typo"')]: "0x60",
        },
        40,
      ),
    ],
    silent: [
      quiet({ [agent("source_files", ',source="app"')]: "1x60" }, 50),
      // Between the rotation and the first line.
      quiet({ [agent("source_files", ',source="app"')]: "1x5 0x20 1x60" }, 50),
      // That has an alert of its own.
      quiet(
        {
          [agent("source_files", ',source="app"')]: "0x60",
          [agent("source_outside_grant_files", ',source="app"')]: "2x60",
        },
        50,
      ),
    ],
  },
  SealtailClockSkew: {
    fires: [fires({ [agent("clock_skew_seconds")]: "-9x60" }, 10)],
    silent: [quiet({ [agent("clock_skew_seconds")]: "2x60" }, 30)],
  },
  SealtailBufferDamaged: gauge(agent("wal_damaged_segments_total")),
  SealtailSyncSlow: {
    fires: [
      fires(
        {
          [agent("wal_sync_duration_seconds_bucket", ',le="1"')]: "0+90x60",
          [agent("wal_sync_duration_seconds_bucket", ',le="5"')]: "0+100x60",
          [agent("wal_sync_duration_seconds_bucket", ',le="+Inf"')]: "0+100x60",
        },
        30,
      ),
    ],
    silent: [
      quiet(
        {
          [agent("wal_sync_duration_seconds_bucket", ',le="1"')]: "0+100x60",
          [agent("wal_sync_duration_seconds_bucket", ',le="+Inf"')]: "0+100x60",
        },
        30,
      ),
    ],
  },
};
