import { setTimeout as pause } from 'node:timers/promises';
import type { ExecutedCall as SandboxCall } from '../../src/sandbox/service';
import { Listener, type ListenerOptions } from './faults-listener';
import {
  History,
  placeOf,
  type ExecutedCall,
  type JobState,
  type StreamEvent,
  type StreamLog,
} from './history';
import type { RecordingClient } from './recording-client';

/** The number of jobs that are read concurrently. */
const batchSize = 20;

/**
 * How long a replay waits for the events of the other subscription, of which some may have been erased, and then for more, in
 * milliseconds.
 */
const replayMs = 10_000;
const erasedReplayMs = 1_000;
const quietMs = 200;

type Connection = Pick<ListenerOptions, 'token' | 'gateway'>;

/** Follows the jobs that clients created, and finally checks what clients and the upstream observed. */
export class HistoryChecker {
  readonly history = new History();
  private readonly listeners = new Set<Listener>();
  private readonly checked = new Set<StreamLog>();

  /** @param maxFollowed - how many subscriptions are open at once; with 0 nothing is followed or checked */
  constructor(private readonly maxFollowed = 10) {}

  /** Called by the sandbox. */
  readonly onExecuted = (call: SandboxCall): void => {
    this.history.execute(readCall(call));
  };

  /** Follows the progress of a job, or the avatars of a model, up to the maximum number of subscriptions. */
  follow(options: Omit<ListenerOptions, 'after'>): void {
    const open = [...this.listeners].filter(({ log }) => !log.isComplete);
    const isFollowed = open.some(({ log }) => log.subject === options.subject && log.kind === options.kind);
    if (isFollowed || open.length >= this.maxFollowed) return;
    this.add(new Listener({ ...options, after: null }));
  }

  /** Also checks the stream of this listener. */
  add(listener: Listener): void {
    this.listeners.add(listener);
    this.history.streams.push(listener.log);
  }

  /**
   * Lists violations, including events that are not delivered yet.
   * @param clients - one per owner
   */
  async problems(clients: readonly RecordingClient[], gateway: () => string): Promise<string[]> {
    if (this.maxFollowed === 0) return [];
    const { jobs, streams } = this.history;
    const current = new Map<string, JobState | null>();
    for (let start = 0; start < jobs.length; start += batchSize) {
      const batch = jobs.slice(start, start + batchSize);
      const read = batch.flatMap(({ owner, id }) =>
        clients.map((client) => readAs(client, owner, id, current)),
      );
      await Promise.all(read);
    }
    const replays = new Map<StreamLog, readonly StreamEvent[]>();
    const tokens = new Map(clients.map(({ options }) => [options.owner, options.token]));
    const unchecked = streams.filter((log) => !this.checked.has(log) && !this.history.isDeleted(log.subject));
    await Promise.all(
      unchecked.map(async (log) => {
        const connection = { token: tokens.get(log.owner) ?? null, gateway };
        const replay = await replayOf(
          log,
          connection,
          this.history.isErasable(log) ? erasedReplayMs : replayMs,
        );
        if (replay) replays.set(log, replay);
      }),
    );
    const found = this.history.problems(current, replays);
    if (found.length === 0) for (const log of unchecked) if (log.isComplete) this.checked.add(log);
    return found;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.listeners].map((listener) => listener.stop()));
  }
}

/** Reads a job as each owner; {@link History.see} reports data that another owner can read. */
async function readAs(
  client: RecordingClient,
  owner: string,
  id: string,
  current: Map<string, JobState | null>,
): Promise<void> {
  const job = await (id.startsWith('model_') ? client.model(id) : client.generation(id));
  if (client.options.owner === owner) current.set(id, job);
}

/** What a new subscription receives from the start of another one; null if that has not started. */
async function replayOf(
  log: StreamLog,
  connection: Connection,
  waitMs: number,
): Promise<StreamEvent[] | null> {
  const place = placeOf(log);
  if (!place) return null;
  const listener = new Listener({ ...log, ...connection, after: place.cursor });
  const wanted = log.events.length - place.index;
  const deadline = Date.now() + waitMs;
  while (!listener.log.isComplete && listener.log.events.length < wanted && Date.now() < deadline)
    await pause(20);
  // The avatar stream of a model has no end: missing events follow at once.
  if (!listener.log.isComplete) await pause(quietMs);
  await listener.stop();
  return listener.log.events;
}

/** Reads the label and the attempt from a paid call. */
function readCall({ operation, body }: SandboxCall): ExecutedCall {
  const { images, prompt, prompts } = body as {
    images?: string[];
    prompt?: string;
    prompts?: { prompt?: string }[];
  };
  return {
    label: operation === 'train' ? null : (prompt ?? prompts?.[0]?.prompt ?? null),
    photos: images ? readPhotoUrl(images[0]!) : null,
  };
}

function readPhotoUrl(url: string): ExecutedCall['photos'] {
  const path = /\/upstream\/photos\/([^/]+)\/(\d+)\//.exec(url);
  return path && { job: path[1]!.replace(/^\w+_/, '').replaceAll('-', ''), attempt: Number(path[2]) };
}
