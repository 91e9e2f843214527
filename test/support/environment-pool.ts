import { FaultsEnvironment, type EnvironmentOptions } from './faults-environment';

interface Entry<Cell> {
  cell: Cell;
  promise: Promise<void>;
  settle: { resolve: () => void; reject: (error: unknown) => void };
}

/**
 * Runs the cells of a table concurrently. Each worker has an environment in which it runs its cells one after the other.
 * Most of a cell's time is waiting, so that workers cost little.
 *
 * The environment of a failed cell is closed, and the next cell uses a new one.
 */
export class EnvironmentPool<Cell> {
  private readonly entries: Entry<Cell>[];
  private readonly running: Promise<void>[] = [];
  private readonly environments = new Set<FaultsEnvironment>();

  constructor(
    cells: readonly Cell[],
    private readonly run: (environment: FaultsEnvironment, cell: Cell) => Promise<void>,
  ) {
    this.entries = cells.map((cell) => {
      let settle: Entry<Cell>['settle'] | undefined;
      const promise = new Promise<void>((resolve, reject) => (settle = { resolve, reject }));
      // The error is reported by the test of the cell, possibly much later.
      promise.catch(() => undefined);
      return { cell, promise, settle: settle! };
    });
  }

  /** Starts the runs; a test awaits its cell with {@link result}. */
  start(width: number, options: EnvironmentOptions): void {
    const waiting = [...this.entries];
    for (let worker = 0; worker < width; worker += 1) this.running.push(this.worker(waiting, options));
  }

  /** Resolves when the cell has passed; rejects with its error. */
  result(cell: Cell): Promise<void> {
    return this.entries.find((entry) => entry.cell === cell)!.promise;
  }

  /** Waits for all workers and closes the environments. */
  async close(): Promise<void> {
    await Promise.all(this.running);
    await Promise.all([...this.environments].map((environment) => environment.stop()));
  }

  private async worker(waiting: Entry<Cell>[], options: EnvironmentOptions): Promise<void> {
    let environment: FaultsEnvironment | null = null;
    for (let entry = waiting.shift(); entry; entry = waiting.shift()) {
      try {
        environment ??= await this.open(options);
        await this.run(environment, entry.cell);
        entry.settle.resolve();
      } catch (error) {
        entry.settle.reject(withLog(error, environment));
        if (environment) await this.drop(environment);
        environment = null;
      }
    }
    if (environment) await this.drop(environment);
  }

  private async open(options: EnvironmentOptions): Promise<FaultsEnvironment> {
    const environment = await FaultsEnvironment.open(options);
    this.environments.add(environment);
    return environment;
  }

  private async drop(environment: FaultsEnvironment): Promise<void> {
    this.environments.delete(environment);
    await environment.stop();
  }
}

/** The error with what the gateway has said last. */
function withLog(error: unknown, environment: FaultsEnvironment | null): unknown {
  if (!environment) return error;
  const { isRunning, errors, log } = environment.gateway;
  const lines = log.filter(({ level }) => level !== 'info').slice(-8);
  const text = [isRunning ? 'running' : 'ended', errors, ...lines.map((line) => JSON.stringify(line))].join(
    '\n',
  );
  return new Error(`The gateway: ${text}`, { cause: error });
}
