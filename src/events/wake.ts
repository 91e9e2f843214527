import { z } from 'zod';

/** What happened, in ids only; who hears of it reads the rest from the database. */
export interface Wake {
  /** Streams that have new events; `'all'`: any may have. */
  streams?: readonly string[] | 'all';
  /** Something may be due. */
  work?: boolean;
  /** Small words for whom it concerns, such as `revoked:<keyId>`; at most 200 bytes each. */
  topics?: readonly string[];
}

/** The topic that stands for every topic: words may have been missed. */
export const everyTopic = '*';

const maxStreams = 10_000;
const maxTopics = 1_000;
const topicBytes = 200;

/**
 * Gathers wakes until they are sent, each thing once. Bounded: what grows beyond 10,000 streams or 1,000 topics
 * becomes "all", which wakes more than needed but never less.
 */
export class GatheredWakes {
  private streams = new Set<string>();
  private topics = new Set<string>();
  private isAll = false;
  private hasWork = false;

  get isEmpty(): boolean {
    return this.streams.size === 0 && this.topics.size === 0 && !this.isAll && !this.hasWork;
  }

  /** @throws RangeError on a topic that is too long */
  add({ streams = [], work = false, topics = [] }: Wake): void {
    this.hasWork ||= work;
    if (streams === 'all') this.isAll = true;
    else this.addStreams(streams);
    for (const topic of topics) this.addTopic(topic);
  }

  /** Everything gathered, which is then forgotten here. */
  take(): Wake {
    const wake: Wake = {
      streams: this.isAll ? 'all' : [...this.streams],
      work: this.hasWork,
      topics: [...this.topics],
    };
    this.streams.clear();
    this.topics.clear();
    this.isAll = false;
    this.hasWork = false;
    return wake;
  }

  private addStreams(ids: readonly string[]): void {
    if (this.isAll) return;
    for (const id of ids) this.streams.add(id);
    if (this.streams.size <= maxStreams) return;
    this.isAll = true;
    this.streams.clear();
  }

  private addTopic(topic: string): void {
    if (Buffer.byteLength(topic) > topicBytes)
      throw new RangeError(`A topic has at most ${topicBytes} bytes.`);
    this.topics.add(topic);
    if (this.topics.size > maxTopics) this.topics = new Set([everyTopic]);
  }
}

// PostgreSQL takes payloads of less than 8,000 bytes. A UUID is 39 bytes in JSON; a topic at most 1,200, where every
// byte is written as \u0000.
const streamsPerPayload = 200;
const topicsPerPayload = 6;

/**
 * A wake as NOTIFY payloads, as few as hold it.
 * @param from - names the sender, so that it can tell its own words from others'
 */
export function packWake(from: string, { streams, work, topics = [] }: Wake): string[] {
  const parts: Wake[] = work ? [{ work }] : [];
  if (streams === 'all') parts.push({ streams });
  else if (streams) for (const chunk of chunks(streams, streamsPerPayload)) parts.push({ streams: chunk });
  for (const chunk of chunks(topics, topicsPerPayload)) parts.push({ topics: chunk });
  return parts.map((part) => JSON.stringify({ from, ...part }));
}

const payloadShape = z.object({
  from: z.string(),
  streams: z.union([z.literal('all'), z.array(z.string())]).optional(),
  work: z.boolean().optional(),
  topics: z.array(z.string()).optional(),
});

/** A payload made by {@link packWake}, or null: anybody who may connect can notify on any channel. */
export function unpackWake(payload: string): (Wake & { from: string }) | null {
  try {
    return payloadShape.parse(JSON.parse(payload));
  } catch {
    return null;
  }
}

/** The list in pieces of at most `size`. */
export function* chunks<T>(list: readonly T[], size: number): Generator<T[]> {
  for (let start = 0; start < list.length; start += size) yield list.slice(start, start + size);
}
