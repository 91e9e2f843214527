import type { PayloadReader } from '../graphql/context';

/** The planned read of one mutation's payload. */
export class PlannedPayload implements PayloadReader {
  /** The text of the response; null before it was read, and if the resolvers respond. */
  text: string | null = null;

  /** @param answer - runs the statement for what the mutation returned; returns null if it is left to the resolvers */
  constructor(private readonly answer: (payload: Record<string, unknown>) => Promise<string | null>) {}

  async read(payload: unknown): Promise<boolean> {
    if (typeof payload !== 'object' || payload === null) return false;
    // If the database is unavailable, the resolvers report it.
    this.text = await this.answer(payload as Record<string, unknown>).catch(() => null);
    return this.text !== null;
  }
}
