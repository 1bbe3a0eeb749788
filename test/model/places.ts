// Where log files can be found: directories, links and the rule by which links are followed,
// written a second time.

import type { FileNode } from "../fakes/file-tree.ts";
import type { FakeFiles } from "../fakes/files.ts";

export const manyDirs = "/logs/many";
/** What the configuration wants; `current` is a link to a directory, `many` has them by the hundred. */
export const include: readonly string[] = [
  "/logs/*.log",
  "/logs/sub/*.log",
  "/logs/current/*.log",
  `${manyDirs}/*/*.log`,
];
export const mayWant: RegExp = /^\/logs\/(?:(?:sub|current|many\/[^/]+)\/)?[^/]+\.log$/;

const hopsMax = 40;

export class Places {
  /** Directories in which there may be log files. */
  readonly dirs: Set<string> = new Set(["/logs", "/logs/sub", "/logs/current"]);
  readonly #disk: FakeFiles;

  constructor(disk: FakeFiles) {
    this.#disk = disk;
  }

  /**
   * What a path leads to; refused, if a link on the way belongs neither to root, nor to us, nor to
   * the owner of what it leads to.
   */
  reach(path: string, hops = 0): FileNode | "refused" | undefined {
    const parts = path.split("/").slice(1);
    let at = "";
    for (const [index, part] of parts.entries()) {
      at = `${at}/${part}`;
      const link = this.#disk.nameNode(at);
      if (link?.kind !== "link") continue;
      const target = this.#disk.node(at);
      const owners = [0, process.geteuid?.(), target?.uid];
      if (target === undefined || hops > hopsMax) return undefined;
      if (!owners.includes(link.uid)) return "refused";
      return this.reach([link.target, ...parts.slice(index + 1)].join("/"), hops + 1);
    }
    return this.#disk.node(path);
  }

  /** Paths of all files that can be found, by inode. */
  visible(): Map<string, string[]> {
    const visible = new Map<string, string[]>();
    for (const dir of this.dirs) {
      // What was moved out of them is not found there.
      if (!dir.startsWith("/logs")) continue;
      for (const name of this.#disk.node(dir)?.names.keys() ?? []) {
        const path = `${dir}/${name}`;
        const node = this.reach(path);
        if (node === undefined || node === "refused" || node.kind !== "file") continue;
        const key = String(node.ino);
        visible.set(key, [...(visible.get(key) ?? []), path]);
      }
    }
    return visible;
  }

  /** Inodes of files that are there under a wanted name. */
  wanted(): Set<string> {
    const found = [...this.visible()].filter(([, paths]) =>
      paths.some((each) => mayWant.test(each)),
    );
    return new Set(found.map(([key]) => key));
  }
}
