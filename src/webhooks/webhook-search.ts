import { backoffMs } from '../core/clock';
import type { SearchedStreams } from './webhook-follow.repository';

/** How often the webhooks of all owners are searched for new events, whose notifications may have been lost. */
const searchAllEveryMs = 10_000;
/** With more streams with new events, all webhooks are searched. */
const maxNewStreams = 1_000;

/**
 * The streams whose owners' webhooks are searched for new events. A search that finds nothing forgets them: the events were
 * committed before their streams were added.
 */
export class NewStreams {
  private ids = new Set<string>();
  private isAll = true;
  private searchedAllMs = -Infinity;
  private last: SearchedStreams = null;

  /** What the last look for due work has searched. */
  get searched(): SearchedStreams {
    return this.last;
  }

  add(ids: readonly string[] | 'all'): void {
    if (ids === 'all') this.isAll = true;
    else for (const id of ids) this.ids.add(id);
    if (this.ids.size > maxNewStreams) this.isAll = true;
    if (this.isAll) this.ids.clear();
  }

  /** Chooses what is searched now. */
  search(): void {
    const isAll = this.isAll || performance.now() - this.searchedAllMs >= searchAllEveryMs;
    if (isAll) this.searchedAllMs = performance.now();
    this.last = isAll ? null : [...this.ids];
    this.clear();
  }

  /** Returns and removes what was searched last, and what was added since. */
  take(): SearchedStreams {
    const taken = this.isAll || this.last === null ? null : [...new Set([...this.last, ...this.ids])];
    this.last = [];
    this.clear();
    return taken;
  }

  private clear(): void {
    this.ids = new Set();
    this.isAll = false;
  }
}

/** When the events of a locked webhook are read again, in milliseconds: after this time, then twice as long, to the maximum. */
const firstPostponedMs = 1_000;
const maxPostponedMs = 30_000;

/** Webhooks that another transaction locks, perhaps for long: this process leaves them out for a while. */
export class Postponed {
  private readonly entries = new Map<string, { tries: number; untilMs: number }>();

  add(id: string): void {
    const tries = (this.entries.get(id)?.tries ?? 0) + 1;
    const untilMs = performance.now() + backoffMs(tries, firstPostponedMs, maxPostponedMs);
    this.entries.set(id, { tries, untilMs });
  }

  delete(id: string): void {
    this.entries.delete(id);
  }

  /** The webhooks to leave out. */
  get ids(): string[] {
    const nowMs = performance.now();
    return [...this.entries].flatMap(([id, { untilMs }]) => (untilMs > nowMs ? [id] : []));
  }

  /** In how many milliseconds the next one is to be read again, negative if one is; null: none is left out. */
  get nextMs(): number | null {
    if (this.entries.size === 0) return null;
    return Math.min(...[...this.entries.values()].map(({ untilMs }) => untilMs)) - performance.now();
  }

  /** Forgets those that are to be read again, and that a search of all webhooks has not found. */
  keep(found: ReadonlySet<string>): void {
    const out = new Set(this.ids);
    for (const id of this.entries.keys()) if (!out.has(id) && !found.has(id)) this.entries.delete(id);
  }
}
