/** The maximum of `integer` in PostgreSQL and of `Int` in GraphQL. */
const maxCredits = 2_147_483_647;

/**
 * Credits of an account as they are stored; null if the upstream has not reported them. The maximum stands for any greater
 * number, so that none prevents the outcome of a paid call from being stored.
 */
export function storedCredits(credits: number | undefined): number | null {
  return credits === undefined ? null : Math.min(credits, maxCredits);
}
