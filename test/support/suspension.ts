/** A point at which a test stops a piece of work until it ends the suspension. */
export class Suspension {
  /** Resolves when the work is at the point. */
  readonly reached: Promise<void>;
  private reach!: () => void;
  private readonly ended: Promise<void>;
  /** Lets the work continue. */
  end!: () => void;

  constructor() {
    this.reached = new Promise((resolve) => (this.reach = resolve));
    this.ended = new Promise((resolve) => (this.end = resolve));
  }

  /** Called by the work at the point. */
  async pass(): Promise<void> {
    this.reach();
    await this.ended;
  }
}
