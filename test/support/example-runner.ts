import type { Client } from './client';
import { exampleOperations, variablesOf, type Example } from './examples';
import type { Feed } from './feed';

/** Runs the examples. */
export class ExampleRunner {
  /** The values in place of the placeholders of the variables, such as `model_…`. */
  readonly ids: Record<string, string[]> = {};
  /** The names of the examples that have been run. */
  readonly ran = new Set<string>();

  private constructor(
    private readonly client: Client,
    readonly examples: readonly Example[],
  ) {}

  static async of(client: Client): Promise<ExampleRunner> {
    return new ExampleRunner(client, await exampleOperations());
  }

  /** Runs a query or mutation, and returns its data. */
  request<T>(name: string, changes: object = {}): Promise<T> {
    const { query, values } = this.prepare(name, changes);
    return this.client.request<T>(query, values);
  }

  /** Runs a query or mutation, and returns the value of its root field. */
  async run<T>(name: string, changes: object = {}): Promise<T> {
    return Object.values(await this.request<Record<string, T>>(name, changes))[0]!;
  }

  /** Starts a subscription. */
  follow<T>(name: string, changes: object = {}): Feed<T> {
    const { query, values } = this.prepare(name, changes);
    return this.client.subscribe<T>(query, values);
  }

  /** Runs a subscription to its end, and returns all values. */
  async runToEnd<T>(name: string): Promise<T[]> {
    const feed = this.follow<T>(name);
    if ((await feed.ended()).how !== 'complete') throw new Error(`${name} did not complete.`);
    return feed.messages;
  }

  /** The example with this name, which is to be run, and its variables. */
  private prepare(name: string, changes: object): Example & { values: Record<string, unknown> } {
    const example = this.examples.find((each) => each.name === name);
    if (!example) throw new Error(`There is no example ${name}.`);
    this.ran.add(name);
    return { ...example, values: { ...variablesOf(example, this.ids), ...changes } };
  }
}
