// Every error that a person can meet, under a stable code.
//
// - Codes never change and never get another meaning; messages may.
// - `remedy` is what to do; it is printed as the hint unless the thrower knows better.
// - No message, place or hint ever holds log content or private key material.
//
// docs/reference/errors.md is this table for people; a test keeps the two equal.

/** usage: exit 2. config: exit 78. unsafe: exit 74, our state is unknown. format, operating: exit 1. */
export type ErrorKind = "usage" | "config" | "format" | "operating" | "unsafe";

interface Row {
  readonly kind: ErrorKind;
  readonly means: string;
  readonly remedy: string;
}

export const errorTable = {
  "access-closed": {
    kind: "config",
    means: "the vault would be reachable from other machines while only this one may read",
    remedy: "listen on 127.0.0.1, or set access.open: true if whoever reaches it may read",
  },
  "address-forbidden": {
    kind: "operating",
    means: "the user that runs this program may not listen on that port",
    remedy: "choose a port above 1023, or grant CAP_NET_BIND_SERVICE",
  },
  "address-unavailable": {
    kind: "operating",
    means: "the address to listen on does not belong to this machine",
    remedy: "listen on an address of this machine, on 127.0.0.1 or on 0.0.0.0",
  },
  "argument-invalid": {
    kind: "usage",
    means: "a word on the command line is not what its place takes",
    remedy: "correct it; `sealtail COMMAND --help` shows what each option takes",
  },
  "argument-missing": {
    kind: "usage",
    means: "the command line lacks something that the command needs",
    remedy: "add it; `sealtail COMMAND --help` shows an example",
  },
  "bundle-invalid": {
    kind: "format",
    means: "the file is not a bundle, or was cut short",
    remedy: "fetch the bundle again, or export it anew",
  },
  "certificate-expired": {
    kind: "config",
    means: "the TLS certificate is past its last day or before its first one",
    remedy: "renew the certificate, or correct the machine's clock",
  },
  "chain-ambiguous": {
    kind: "usage",
    means: "more than one chain fits the word that should name one",
    remedy: "give the chain's id, or more digits of it, or `subject:NAME` for all of a subject",
  },
  "chain-unknown": {
    kind: "operating",
    means: "no chain of that id, prefix or subject is there",
    remedy: "`sealtail verify SOURCE` lists the chains that are there",
  },
  "config-env-missing": {
    kind: "config",
    means: "the configuration names an environment variable that is not set",
    remedy: "set the variable, or give a default: ${NAME:-default}",
  },
  "config-file-missing": {
    kind: "config",
    means: "a file that the configuration names does not exist or is no file",
    remedy: "correct the path (relative ones start at the configuration file), or create the file",
  },
  "config-file-unreadable": {
    kind: "config",
    means: "the configuration file could not be read",
    remedy: "check the path and that the user that runs this program may read it",
  },
  "config-invalid": {
    kind: "config",
    means: "a value in the configuration is not what its key takes",
    remedy: "change the value; docs/reference/config.md lists what each key takes",
  },
  "config-missing": {
    kind: "config",
    means: "a key that the configuration must have is absent",
    remedy: "add the key; docs/reference/config.md says what it means",
  },
  "config-syntax": {
    kind: "config",
    means: "the configuration is not the YAML that this program reads",
    remedy:
      "correct the place named; indent with spaces, write each key once, use no aliases or tags",
  },
  "config-too-large": {
    kind: "config",
    means: "the configuration file is larger than any configuration",
    remedy: "check that the path names the configuration file",
  },
  "config-unknown-key": {
    kind: "config",
    means: "the configuration holds a key that means nothing here",
    remedy: "correct the spelling, or remove the key",
  },
  "config-unsupported": {
    kind: "config",
    means: "the configuration asks for something that this version does not do",
    remedy: "use what the message offers, or a version of sealtail that does it",
  },
  "disk-full": {
    kind: "operating",
    means: "the disk, its inodes or a quota has no room left for what had to be written",
    remedy: "free space on that file system; nothing was lost, the work goes on by itself",
  },
  "file-exists": {
    kind: "operating",
    means: "a file that had to be new is there already",
    remedy: "move the file away if it is not needed, or choose another name",
  },
  "file-missing": {
    kind: "operating",
    means: "a file or directory that is needed does not exist",
    remedy: "check the path; restore or create what is missing",
  },
  "file-too-large": {
    kind: "operating",
    means: "a file is larger than anything that belongs in its place",
    remedy: "check that the path names the file that is meant",
  },
  "grant-key-missing": {
    kind: "operating",
    means: "a new chain has to begin and the grant's private key is not there",
    remedy:
      "issue a new grant and put both its files where the configuration says; files stay open until then",
  },
  "grant-unusable": {
    kind: "config",
    means: "the grant cannot begin a chain of this agent",
    remedy:
      "issue a grant for this subject, vault and role write, and put both its files where the configuration says",
  },
  "io-error": {
    kind: "operating",
    means: "the operating system refused a file operation",
    remedy: "check the disk and kernel log; the system's own reason stands in brackets",
  },
  "key-file-invalid": {
    kind: "format",
    means: "a file that should hold a private key does not",
    remedy: "check that the path names a file that `sealtail key new` made",
  },
  "lines-left-out": {
    kind: "operating",
    means: "some lines of the chain are missing, unreadable or not authenticated",
    remedy:
      "`sealtail verify` names the blocks; --unauthenticated also prints what nobody vouches for",
  },
  "lines-none": {
    kind: "operating",
    means: "--raw was asked for lines of which there are none: no file was written",
    remedy: "choose one of the sources that are there with --source id:DIGITS",
  },
  "listen-failed": {
    kind: "operating",
    means: "the operating system refused to listen for connections",
    remedy: "the system's own reason stands in brackets",
  },
  "lock-unsupported": {
    kind: "operating",
    means: "the file system cannot lock files, so nothing would keep a second process out",
    remedy: "keep the state directory on a local file system, or on NFS with locking",
  },
  "passphrase-missing": {
    kind: "operating",
    means: "a key is encrypted, and nobody is there to ask for its passphrase",
    remedy:
      "set SEALTAIL_PASSPHRASE; a command may be run on a terminal, or given --passphrase-file, instead",
  },
  "passphrase-wrong": {
    kind: "operating",
    means: "the passphrase does not open the key file, or the file was changed",
    remedy: "try again; a lost passphrase cannot be recovered",
  },
  "permission-denied": {
    kind: "operating",
    means: "the user that runs this program may not do that to a file",
    remedy: "check owner and mode of the path, read-only mounts and security policies",
  },
  "port-in-use": {
    kind: "operating",
    means: "another process listens on that address and port",
    remedy: "stop the other process, or listen on another port",
  },
  "proof-impossible": {
    kind: "operating",
    means: "the line cannot be proved from what is stored",
    remedy: "`sealtail verify` says what the chain holds and what receipts cover",
  },
  "public-key-invalid": {
    kind: "usage",
    means: "the text or file is not a public key",
    remedy: "give a file that `sealtail key new` wrote, or the line in it: name+id+base64",
  },
  "seal-refused": {
    kind: "unsafe",
    means: "the agent was about to seal something that breaks the format",
    remedy: "start again; if it returns, report it with the diagnostics: nothing wrong was written",
  },
  "source-changed": {
    kind: "operating",
    means: "the chain was changed while it was read",
    remedy: "try again; if it stays, the place that holds the chain cannot be trusted",
  },
  "source-unusable": {
    kind: "usage",
    means: "what was named holds no chains that this version can read",
    remedy: "give a vault's address, a store directory or a bundle file",
  },
  "state-locked": {
    kind: "operating",
    means: "another process uses the state directory",
    remedy: "stop the other process, or give this one a state directory of its own",
  },
  "state-unsafe": {
    kind: "config",
    means: "the state directory belongs to another user, or others may write to it",
    remedy:
      "name a directory of this program's own as state_dir, mode 0700; inside a shared volume, one that it makes itself",
  },
  "state-unwritable": {
    kind: "config",
    means: "this user cannot write to the state directory",
    remedy:
      "give the directory to the user that runs the program, or name another one as state_dir",
  },
  "store-cut-short": {
    kind: "operating",
    means: "the store holds less of a chain than it should",
    remedy: "run `sealtail verify` on the store: it says what is missing",
  },
  "store-damaged": {
    kind: "operating",
    means: "what the store holds of a chain cannot be what was stored",
    remedy: "run `sealtail verify` on the store, check the disk, and keep what the agent still has",
  },
  "store-reopen": {
    kind: "operating",
    means: "an earlier write to a chain failed, and what is stored must be looked at first",
    remedy: "nothing: the vault opens the chain anew at the next request",
  },
  "store-touched": {
    kind: "operating",
    means: "somebody else changed what the vault stores of a chain",
    remedy:
      "nothing by itself: the vault checks the whole chain before it goes on; find out who did it",
  },
  "sync-failed": {
    kind: "unsafe",
    means: "the disk did not confirm a write, so what it holds is unknown",
    remedy: "check the disk and kernel log, then start again: recovery reads what is really there",
  },
  "tls-file-invalid": {
    kind: "config",
    means: "a TLS file does not hold what its key needs, or key and certificate are no pair",
    remedy: "give a PEM certificate (chain) and the PEM private key that belongs to it",
  },
  "tls-file-unreadable": {
    kind: "config",
    means: "a TLS file could not be read",
    remedy: "check the path and that the user that runs this program may read it",
  },
  "too-many-open-files": {
    kind: "operating",
    means: "the limit on open files is reached",
    remedy: "raise it (ulimit -n, LimitNOFILE=), or follow fewer files",
  },
  "vault-answer-invalid": {
    kind: "operating",
    means: "the vault answered with something that is no answer to the question",
    remedy:
      "check the address, a vault has one for its metrics and one for all else; something between here and it may be answering instead",
  },
  "vault-refused": {
    kind: "operating",
    means: "the vault refused the request",
    remedy:
      "its reason stands in brackets; reading may need a role, or a path by which you are let in",
  },
  "vault-unreachable": {
    kind: "operating",
    means: "no connection to a vault, or to the agent that was asked, could be made, or it broke",
    remedy: "check address, name, port and certificates, and that it runs there",
  },
  "vault-key-mismatch": {
    kind: "config",
    means: "a key of the vault is not the one that its configuration calls for",
    remedy: "a vault named X has a key named X for receipts and one named X/time for their time",
  },
  "wal-corrupt": {
    kind: "unsafe",
    means: "bytes of the write-ahead log changed or vanished after they were synced",
    remedy: "check the disk, then start again: recovery sets the damage aside and reports it",
  },
} as const;

// Every row has the shape of Row.
const rows: Readonly<Record<ErrorCode, Row>> = errorTable;

export type ErrorCode = keyof typeof errorTable;

export interface ErrorDetail {
  /** Where: a path, a file:line:column, an address. */
  readonly place?: string;
  /** What to do, when the thrower knows better than the table. */
  readonly hint?: string;
  readonly cause?: unknown;
}

export class SealtailError extends Error {
  override readonly name = "SealtailError";
  readonly code: ErrorCode;
  readonly kind: ErrorKind;
  readonly place: string | undefined;
  readonly hint: string;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    const row = rows[code];
    this.code = code;
    this.kind = row.kind;
    this.place = detail.place;
    this.hint = detail.hint ?? row.remedy;
  }
}

/** What can be waited for: it comes back by itself, or somebody gives it back. */
export type Shortage = SealtailError & { readonly code: "disk-full" | "too-many-open-files" };

export function isShortage(error: unknown): error is Shortage {
  if (!(error instanceof SealtailError)) return false;
  return error.code === "disk-full" || error.code === "too-many-open-files";
}
