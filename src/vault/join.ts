// Lets all who want the same at the same time wait for one piece of work.

export class Shared<T> {
  readonly #underWay = new Map<string, Promise<T>>();

  /** What `work` gives for `name`. Whoever comes after it called `begun` has it done anew. */
  once(name: string, work: (begun: () => void) => Promise<T>): Promise<T> {
    const running = this.#underWay.get(name);
    if (running !== undefined) return running;
    const begun = (): void => {
      if (this.#underWay.get(name) === made) this.#underWay.delete(name);
    };
    const made = Promise.resolve().then(() => work(begun));
    this.#underWay.set(name, made);
    made.then(begun, begun);
    return made;
  }
}
