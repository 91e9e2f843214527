import { FaultsHouse, type HouseOptions } from './faults-house';

interface Entry<Cell> {
  cell: Cell;
  promise: Promise<void>;
  settle: { resolve: () => void; reject: (error: unknown) => void };
}

/**
 * Goes through the cells of a table, several at once, each lane in a house of its own, which cells of one lane have one
 * after the other. Most of a cell's time is waiting, so that lanes cost little.
 *
 * A cell that fails takes its house with it: the next one begins in a new one.
 */
export class Lanes<Cell> {
  private readonly entries: Entry<Cell>[];
  private readonly running: Promise<void>[] = [];
  private readonly houses = new Set<FaultsHouse>();

  constructor(
    cells: readonly Cell[],
    private readonly run: (house: FaultsHouse, cell: Cell) => Promise<void>,
  ) {
    this.entries = cells.map((cell) => {
      let settle: Entry<Cell>['settle'] | undefined;
      const promise = new Promise<void>((resolve, reject) => (settle = { resolve, reject }));
      // Its own test meets the error, perhaps much later.
      promise.catch(() => undefined);
      return { cell, promise, settle: settle! };
    });
  }

  /** Begins; whoever wants a cell's result asks {@link result}. */
  start(width: number, options: HouseOptions): void {
    const waiting = [...this.entries];
    for (let lane = 0; lane < width; lane += 1) this.running.push(this.lane(waiting, options));
  }

  /** Resolves when the cell has passed; rejects with what it met. */
  result(cell: Cell): Promise<void> {
    return this.entries.find((entry) => entry.cell === cell)!.promise;
  }

  /** Waits for all lanes and closes the houses. */
  async close(): Promise<void> {
    await Promise.all(this.running);
    await Promise.all([...this.houses].map((house) => house.close()));
  }

  private async lane(waiting: Entry<Cell>[], options: HouseOptions): Promise<void> {
    let house: FaultsHouse | null = null;
    for (let entry = waiting.shift(); entry; entry = waiting.shift()) {
      try {
        house ??= await this.open(options);
        await this.run(house, entry.cell);
        entry.settle.resolve();
      } catch (error) {
        entry.settle.reject(error);
        if (house) await this.drop(house);
        house = null;
      }
    }
    if (house) await this.drop(house);
  }

  private async open(options: HouseOptions): Promise<FaultsHouse> {
    const house = await FaultsHouse.open(options);
    this.houses.add(house);
    return house;
  }

  private async drop(house: FaultsHouse): Promise<void> {
    this.houses.delete(house);
    await house.close();
  }
}
