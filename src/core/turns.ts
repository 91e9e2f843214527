/** Work in steps that are short enough to run several of them in one turn of the event loop. */
export type Steps = Generator<undefined, void>;

/** After this time, in milliseconds, other work of the event loop has its turn. */
const maxTurnMs = 5;

interface Work {
  readonly steps: Steps;
  readonly resolve: () => void;
}

/** Runs work in the order in which it was added, in short turns of the event loop, so that it does not delay other work. */
export class Turns {
  private readonly queue: Work[] = [];
  private isScheduled = false;

  /**
   * Runs steps in the next turns of the event loop. They must not throw.
   * @returns resolves when all of them have run
   */
  run(steps: Steps): Promise<void> {
    return new Promise((resolve) => {
      this.queue.push({ steps, resolve });
      this.schedule();
    });
  }

  private schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    setImmediate(() => {
      this.isScheduled = false;
      this.runTurn(performance.now() + maxTurnMs);
      if (this.queue.length > 0) this.schedule();
    });
  }

  private runTurn(endMs: number): void {
    for (let [work] = this.queue; work;) {
      if (work.steps.next().done) {
        work.resolve();
        this.queue.shift();
        [work] = this.queue;
      }
      if (performance.now() > endMs) return;
    }
  }
}
