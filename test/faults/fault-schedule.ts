import type { Operation, SandboxFault } from '../../src/sandbox/faults';
import type { FaultsEnvironment } from '../support/faults-environment';
import type { Misbehaviour } from './call-rows';

/** Faults that apply to any call. */
const anywhere: readonly Misbehaviour[] = [
  { kind: 'status', status: 500 },
  { kind: 'status', status: 502, body: '<h1>Bad gateway</h1>' },
  { kind: 'status', status: 503 },
  { kind: 'status', status: 504 },
  { kind: 'status', status: 429, headers: { 'Retry-After': '1' } },
  { kind: 'status', status: 503, headers: { 'Retry-After': '1' } },
  { kind: 'status', status: 404 },
  { kind: 'reset-before' },
  { kind: 'reset-after' },
  { kind: 'slow', everyMs: 100 },
  { kind: 'html' },
  { kind: 'malformed' },
  { kind: 'truncated' },
  { kind: 'empty' },
  { kind: 'huge' },
  { kind: 'gzip-bomb' },
  { kind: 'redirect', location: 'http://127.0.0.1:9/secret' },
];

const paidOnly: readonly Misbehaviour[] = [
  { kind: 'hang' },
  { kind: 'hang', executed: false },
  { kind: 'status', status: 500, executed: true },
  { kind: 'status', status: 400 },
  { kind: 'status', status: 401 },
  { kind: 'status', status: 402 },
  { kind: 'status', status: 422, body: { detail: 'The type is not supported.' } },
  { kind: 'no-id' },
  { kind: 'duplicate-id' },
  { kind: 'failed' },
  { kind: 'image-not-valid' },
  { kind: 'never-done' },
];

const askedOnly: readonly Misbehaviour[] = [
  { kind: 'hang' },
  { kind: 'unknown-status' },
  { kind: 'unknown-status', word: '' },
  { kind: 'status-back' },
  { kind: 'status', status: 404, forMs: 3_000 },
  { kind: 'status', status: 403, forMs: 2_000 },
];

/** The faults of each operation. */
const faultRates: Record<Operation, readonly Misbehaviour[]> = {
  train: [...anywhere, ...paidOnly],
  generate: [...anywhere, ...paidOnly, { kind: 'no-results' }, { kind: 'fewer-results' }],
  instant: [...anywhere, ...paidOnly],
  model: [...anywhere, ...askedOnly],
  inference: [...anywhere, ...askedOnly],
  balance: [{ kind: 'status', status: 401 }, { kind: 'status', status: 404 }, { kind: 'hang' }],
  result: [
    ...anywhere,
    { kind: 'hang' },
    { kind: 'not-an-image' },
    { kind: 'expired' },
    { kind: 'status', status: 404, forMs: 3_000 },
    { kind: 'status', status: 403, forMs: 3_000 },
  ],
};

/** Injects random faults into a share of all calls. */
export class FaultSchedule {
  /** The number of injected faults by kind. */
  readonly faults = new Map<string, number>();
  private readonly seen: Partial<Record<Operation, number>> = {};
  private readonly owed: Partial<Record<Operation, number>> = {};

  constructor(
    private readonly environment: FaultsEnvironment,
    private readonly share: number,
    private readonly random: () => number,
  ) {}

  get total(): number {
    return [...this.faults.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Injects as many faults as the calls since the last time require. */
  async scheduleFault(): Promise<void> {
    const { calls } = await this.environment.sandbox.counts();
    for (const on of Object.keys(faultRates) as Operation[]) {
      let owed = (this.owed[on] ?? 0) + this.share * (calls[on] - (this.seen[on] ?? 0));
      this.seen[on] = calls[on];
      for (; owed >= 1; owed -= 1) await this.injectFault(on);
      this.owed[on] = owed;
    }
  }

  private async injectFault(on: Operation): Promise<void> {
    const kinds = faultRates[on];
    const fault: SandboxFault = { on, ...kinds[Math.floor(this.random() * kinds.length)]! };
    const name = fault.kind === 'status' ? String(fault.status) : fault.kind;
    this.faults.set(name, (this.faults.get(name) ?? 0) + 1);
    await this.environment.sandbox.fault(fault);
  }
}
