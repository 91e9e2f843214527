import { z } from 'zod';

/** A notification that contains only ids; listeners read the data from the database. */
export interface Wake {
  /** Streams that have new events; `'all'`: any stream may have new events. */
  streams?: readonly string[] | 'all';
  /** Whether work may be due. */
  work?: boolean;
  /** Short topic names such as `revoked:<keyId>`, at most 200 bytes each. */
  topics?: readonly string[];
}

/** The topic that stands for all topics: notifications may have been lost. */
export const everyTopic = '*';

const maxStreams = 10_000;
const maxTopics = 1_000;
const maxTopicBytes = 200;

/**
 * Collects wakes without duplicates until they are sent. Bounded: more than 10,000 streams or 1,000 topics become "all",
 * which wakes more listeners than necessary but never fewer.
 */
export class PendingWakes {
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

  /** Returns and removes everything collected. */
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
    if (Buffer.byteLength(topic) > maxTopicBytes)
      throw new RangeError(`A topic must have at most ${maxTopicBytes} bytes.`);
    this.topics.add(topic);
    if (this.topics.size > maxTopics) this.topics = new Set([everyTopic]);
  }
}

// PostgreSQL accepts payloads of less than 8,000 bytes. In JSON, a UUID takes 39 bytes and a topic at most 1,200 (if
// every byte is escaped as \u0000).
const maxStreamsPerPayload = 200;
const maxTopicsPerPayload = 6;

/**
 * Encodes a wake as the minimum number of NOTIFY payloads.
 * @param from - identifies the sender, so that it can ignore its own notifications
 */
export function packWake(from: string, { streams, work, topics = [] }: Wake): string[] {
  const parts: Wake[] = work ? [{ work }] : [];
  if (streams === 'all') parts.push({ streams });
  else if (streams) for (const chunk of chunks(streams, maxStreamsPerPayload)) parts.push({ streams: chunk });
  for (const chunk of chunks(topics, maxTopicsPerPayload)) parts.push({ topics: chunk });
  return parts.map((part) => JSON.stringify({ from, ...part }));
}

const payloadShape = z.object({
  from: z.string(),
  streams: z.union([z.literal('all'), z.array(z.string())]).optional(),
  work: z.boolean().optional(),
  topics: z.array(z.string()).optional(),
});

/** Decodes a payload of {@link packWake}. Null if it is malformed: any database client can notify on any channel. */
export function unpackWake(payload: string): (Wake & { from: string }) | null {
  try {
    return payloadShape.parse(JSON.parse(payload));
  } catch {
    return null;
  }
}

/** Splits a list into chunks of at most `size`. */
export function* chunks<T>(list: readonly T[], size: number): Generator<T[]> {
  for (let start = 0; start < list.length; start += size) yield list.slice(start, start + size);
}
