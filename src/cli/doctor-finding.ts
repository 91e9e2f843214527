/** The result of a check. */
export interface Finding {
  readonly check: string;
  /** `warn`: it works, but should be looked at. `fail`: the gateway cannot work, or photos are public. */
  readonly result: 'ok' | 'warn' | 'fail';
  readonly detail: string;
  /** What to do; null if nothing has to be done. */
  readonly cure: string | null;
}

/** Makes the result of a check. */
export function finding(
  check: string,
  result: Finding['result'],
  detail: string,
  cure: string | null = null,
): Finding {
  return { check, result, detail, cure };
}
