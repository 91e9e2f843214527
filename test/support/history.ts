import { generationMoves } from '../../src/generations/generation.state';
import { modelMoves } from '../../src/models/model.state';

/** The state of a model or generation at one moment, as a client receives it. */
export interface JobState {
  id: string;
  status: string;
  progress: number;
  attempt: number;
}

/** A mutation sent by a client. A repetition with the same idempotency key is the same mutation. */
export interface Mutation {
  owner: string;
  /** The GraphQL field. */
  name: string;
  /** The idempotency key, or a unique label; the prompt of generations contains it, so that the upstream receives it. */
  label: string;
  /** The job that it changes or belongs to; null for trainings and instant avatars. */
  target: string | null;
}

/** The result of a mutation for its client: a job, another result, rejected, or no response. */
export type MutationResult = JobState | 'done' | 'refused' | 'lost';

/** A paid call that the upstream executed. */
export interface ExecutedCall {
  /** The mutation's label; null for trainings, which have no prompt. */
  label: string | null;
  /** The job (a UUID) and attempt in the URLs of its photos; null where it has no photos of the gateway. */
  photos: { job: string; attempt: number } | null;
}

/** An item of a subscription. For avatars, `id` is the avatar's and `state` null. */
export interface StreamEvent {
  cursor: string;
  isSnapshot: boolean;
  id: string;
  state: JobState | null;
  /** The estimated progress that the connection had received before. */
  estimates?: readonly number[];
}

/** What one subscription received, over all its connections. */
export interface StreamLog {
  owner: string;
  /** The subject of the subscription. */
  subject: string;
  kind: 'progress' | 'avatars';
  /** The cursor after which it started; null: it started with a snapshot. */
  start: string | null;
  readonly events: StreamEvent[];
  /** The gateway has ended the stream: no more events are expected. */
  isComplete: boolean;
}

interface SentMutation extends Mutation {
  /** Its position among all mutations and executed calls. */
  readonly order: number;
  readonly results: MutationResult[];
}

const closures = { model: closureOf(modelMoves), generation: closureOf(generationMoves) };

/**
 * Records what clients and the upstream observed, independently of the gateway's tables. {@link History.problems} compares both
 * and lists violations: paid executions, acknowledged mutations, streams, progress and states, ownership.
 */
export class History {
  readonly streams: StreamLog[] = [];
  private readonly executed: (ExecutedCall & { order: number })[] = [];
  private order = 0;
  private readonly mutations = new Map<string, SentMutation>();
  private readonly latest = new Map<string, JobState>();
  private readonly readers = new Map<string, Set<string>>();
  private readonly observed = new Set<string>();

  /** Records the start of a mutation. The returned function records its result. */
  send(mutation: Mutation): (result: MutationResult) => void {
    const key = `${mutation.owner} ${mutation.name} ${mutation.label}`;
    const sent = this.mutations.get(key) ?? { ...mutation, order: (this.order += 1), results: [] };
    if (!this.mutations.has(key)) this.requireUniqueLabel(mutation);
    this.mutations.set(key, sent);
    // Counts as lost until a result is recorded.
    const index = sent.results.push('lost') - 1;
    return (result) => {
      sent.results[index] = result;
    };
  }

  /** Generations are identified upstream by their label only. */
  private requireUniqueLabel({ name, label }: Mutation): void {
    const isAmbiguous = [...this.mutations.values()].some(
      (other) => other.label === label && isPrompted(other.name) && isPrompted(name),
    );
    if (isAmbiguous) throw new Error(`Two mutations have the label ${label}.`);
  }

  /** Records the start of a read. The returned function takes the state, which must not be older than earlier reads. */
  read(id: string): (state: JobState | null) => void {
    const before = this.latest.get(id);
    return (state) => {
      if (!state) return;
      if (before) for (const problem of this.readProblems(before, state)) this.observed.add(problem);
      this.latest.set(id, state);
    };
  }

  /** Records every global id in a response to an owner. */
  see(owner: string, answer: object | null): void {
    for (const [id] of JSON.stringify(answer).matchAll(
      /\b(?:model|generation|avatar|photo)_[0-9a-f]{32}\b/g,
    )) {
      this.readers.set(id, (this.readers.get(id) ?? new Set()).add(owner));
    }
  }

  /** Records a paid call that the upstream executed. */
  execute(call: ExecutedCall): void {
    this.executed.push({ ...call, order: (this.order += 1) });
  }

  /** The jobs that clients know and did not delete. */
  get jobs(): { owner: string; id: string }[] {
    const created = [...this.mutations.values()].filter(({ name }) => name in creating);
    const all = created.flatMap(({ owner, results }) => idsOf(results).map((id) => ({ owner, id })));
    return all.filter(({ id }) => !this.isDeleted(id));
  }

  /** Whether the job, or the model that it belongs to, may have been deleted. */
  isDeleted(id: string): boolean {
    const sent = [...this.mutations.values()];
    const model = sent.find(({ name, results }) => name in creating && idsOf(results).includes(id))?.target;
    return sent.some(
      ({ name, target, results }) =>
        name.startsWith('delete') &&
        results.some((result) => result !== 'refused') &&
        (target === id || (target !== null && target === model)),
    );
  }

  /**
   * @param current - the current state of each of {@link History.jobs} as read by its owner
   * @param replays - what a new subscription received from the same position, for the streams to compare
   */
  problems(
    current: ReadonlyMap<string, JobState | null>,
    replays: ReadonlyMap<StreamLog, readonly StreamEvent[]>,
  ): string[] {
    return [
      ...this.paymentProblems(),
      ...[...this.mutations.values()].flatMap((mutation) => this.visibilityProblems(mutation, current)),
      ...[...replays].flatMap(([log, replay]) => streamProblems(log, replay, this.isErasable(log))),
      ...this.streams.flatMap((log) => orderProblems(log)),
      ...this.observed,
      ...this.ownershipProblems(),
    ];
  }

  /** Whether events of the stream may have been erased: those of deleted avatars. */
  isErasable({ kind, subject }: StreamLog): boolean {
    const sent = [...this.mutations.values()].filter(({ name }) => name.startsWith('delete'));
    const isOfModel = (target: string | null): boolean =>
      [...this.mutations.values()].some(
        (mutation) =>
          mutation.target === subject && target !== null && idsOf(mutation.results).includes(target),
      );
    return (
      kind === 'avatars' && sent.some(({ name, target }) => name === 'deleteAvatar' || isOfModel(target))
    );
  }

  /** At most one execution per attempt, per mutation, and per retry of a job. */
  private paymentProblems(): string[] {
    const problems: string[] = [];
    const attempts = this.executed.flatMap(({ photos }) =>
      photos ? [`${photos.job}/${photos.attempt}`] : [],
    );
    for (const [attempt, count] of counted(attempts)) {
      if (count > 1) problems.push(`attempt ${attempt} was executed ${count} times`);
    }
    for (const { owner, name, label, results } of this.mutations.values()) {
      if (!(name in creating)) continue;
      const ids = idsOf(results);
      const uuids = ids.map(uuidOf);
      const calls = this.executed.filter(
        (call) => call.label === label || (call.photos !== null && uuids.includes(call.photos.job)),
      );
      const retries = this.retriesOf(ids);
      const counts = retries.map(() => 0);
      counts.push(0);
      for (const call of calls) counts[retries.filter((order) => order < call.order).length]! += 1;
      counts.forEach((count, retry) => {
        const subject = retry === 0 ? '' : `retry ${retry} of `;
        if (count > 1) problems.push(`${subject}${name} ${label} of ${owner} was executed ${count} times`);
      });
    }
    return problems;
  }

  /** When each retry of the job was first sent. Later executions belong to the retry, since the earlier attempt had failed. */
  private retriesOf(ids: readonly string[]): number[] {
    const retries = [...this.mutations.values()].filter(
      ({ name, target, results }) =>
        name.startsWith('retry') &&
        target !== null &&
        ids.includes(target) &&
        results.some((result) => result !== 'refused'),
    );
    return retries.map(({ order }) => order).sort((a, b) => a - b);
  }

  /** Acknowledged jobs exist, once, and are not older than when acknowledged. */
  private visibilityProblems(
    { owner, name, label, target, results }: SentMutation,
    current: ReadonlyMap<string, JobState | null>,
  ): string[] {
    if (!(name in creating)) return this.changeProblems({ name, target, results }, current);
    const ids = idsOf(results);
    const extra = ids.length > 1 ? [`${name} ${label} of ${owner} gave ${ids.length} ids`] : [];
    const missing = ids.filter((id) => current.get(id) === null && !this.isDeleted(id));
    return [...extra, ...missing.map((id) => `${id} was acknowledged by ${name} and is not there`)];
  }

  private changeProblems(
    { name, target, results }: Pick<SentMutation, 'name' | 'target' | 'results'>,
    current: ReadonlyMap<string, JobState | null>,
  ): string[] {
    const now = target === null ? undefined : current.get(target);
    if (!now) return [];
    const jobs = results.flatMap((result) => (typeof result === 'object' ? [result] : []));
    return jobs.flatMap((job) => this.readProblems(job, now).map((problem) => `after ${name}: ${problem}`));
  }

  /** Lists violations between two reads of a state, with possible changes between them. */
  private readProblems(from: JobState, to: JobState): string[] {
    const closure = isModel(to) ? closures.model : closures.generation;
    const isMove = from.status === to.status || closure.get(from.status)!.has(to.status);
    // A retry that ends before its call keeps the number of the attempt before.
    const isEndedRetry =
      to.progress === 0 && endsOfRetries.includes(to.status) && this.retriesOf([to.id]).length > 0;
    return [
      ...(isMove ? [] : [moveProblem(from, to)]),
      ...(isEndedRetry && from.attempt === to.attempt ? [] : progressProblems(from, to)),
    ];
  }

  private ownershipProblems(): string[] {
    const shared = [...this.readers].filter(([, owners]) => owners.size > 1);
    return shared.map(([id, owners]) => `${id} was shown to ${[...owners].sort().join(' and ')}`);
  }
}

/** Mutations that create a paid job. */
const creating: Readonly<Record<string, true>> = {
  trainModel: true,
  generateAvatars: true,
  generateInstantAvatars: true,
};

/** The states in which a retry may end before its call. */
const endsOfRetries: readonly string[] = ['FAILED', 'CANCELLED'];

/** Whether the upstream receives the label. */
const isPrompted = (name: string): boolean => name in creating && name !== 'trainModel';

const idsOf = (results: readonly MutationResult[]): string[] => [
  ...new Set(results.flatMap((result) => (typeof result === 'object' ? [result.id] : []))),
];

/** The UUID in a global id, without dashes. */
const uuidOf = (id: string): string => id.replace(/^\w+_/, '');

function counted(words: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

/**
 * Where a replay of the subscription starts, and the index of the first event that it must repeat. Null while it has
 * received nothing, or only a part of a snapshot.
 */
export function placeOf({ start, events }: StreamLog): { cursor: string; index: number } | null {
  if (start !== null) return { cursor: start, index: 0 };
  const first = events.findIndex(({ cursor }) => sequenceOf(cursor) >= 0);
  return first < 0 ? null : { cursor: events[first]!.cursor, index: first + 1 };
}

/**
 * Compares the subscription with one from the same position: no event is missing or repeated.
 * @param isErasable - whether received events may have been erased since
 */
function streamProblems(log: StreamLog, replay: readonly StreamEvent[], isErasable: boolean): string[] {
  const { subject, kind, events, isComplete } = log;
  const wanted = replay.map(lineOf);
  const stored = new Map(replay.map((event) => [event.cursor, event]));
  const received = events
    .slice(placeOf(log)?.index ?? 0)
    .map((event) => lineOf(withoutEstimate(event, stored.get(event.cursor))));
  const live = isErasable ? received.filter((line) => wanted.includes(line)) : received;
  const index = live.findIndex((line, at) => line !== wanted[at]);
  const name = `${kind} of ${subject}`;
  if (index >= 0)
    return [`${name}: item ${index} is ${live[index]} instead of ${wanted[index] ?? 'nothing'}`];
  if (live.length < wanted.length && !isComplete) return [`${name}: ${wanted[live.length]} is missing`];
  return [];
}

/** The event as it was stored: one that was stored late is sent with the progress of the estimate before it. */
function withoutEstimate(event: StreamEvent, stored: StreamEvent | undefined): StreamEvent {
  const { state, estimates = [] } = event;
  if (!state || !stored?.state || !estimates.includes(state.progress)) return event;
  const progress = Math.min(state.progress, stored.state.progress);
  return { ...event, state: { ...state, progress } };
}

/** The received events are in order. */
function orderProblems(log: StreamLog): string[] {
  const name = `${log.kind} of ${log.subject}`;
  return log.events.flatMap((event, index) => {
    const before = log.events[index - 1];
    // Only a snapshot has several items, the last of which has a position.
    const isBegun = before ? sequenceOf(before.cursor) >= 0 : log.start !== null;
    if (!isBegun) return [];
    const again = event.isSnapshot ? [`${name}: began again at ${event.id}`] : [];
    return before ? [...again, ...followProblems(name, before, event)] : again;
  });
}

function followProblems(name: string, before: StreamEvent, event: StreamEvent): string[] {
  const [earlier, later] = [sequenceOf(before.cursor), sequenceOf(event.cursor)];
  const order = later > earlier ? [] : [`${name}: sequence ${later} came after ${earlier}`];
  return before.state && event.state ? [...order, ...stepProblems(before.state, event.state)] : order;
}

/** The position in a stream that a cursor encodes. */
function sequenceOf(cursor: string): number {
  return Number(Buffer.from(cursor, 'base64url').readBigInt64BE(16));
}

/** Without the attempt, which is that of the job as it was when the event was read. */
const lineOf = ({ cursor, id, state }: StreamEvent): string =>
  [sequenceOf(cursor), id, state?.status, state?.progress].join(' ').trim();

/** Lists violations between two consecutive recorded changes. */
export function stepProblems(from: JobState, to: JobState): string[] {
  const moves: Readonly<Record<string, readonly string[]>> = isModel(to) ? modelMoves : generationMoves;
  const isMove = from.status === to.status || moves[from.status]!.includes(to.status);
  return [...(isMove ? [] : [moveProblem(from, to)]), ...progressProblems(from, to)];
}

const isModel = ({ id }: JobState): boolean => id.startsWith('model_');

const moveProblem = (from: JobState, to: JobState): string =>
  `${to.id} went from ${from.status} to ${to.status}`;

function progressProblems(from: JobState, to: JobState): string[] {
  if (to.attempt < from.attempt) return [`${to.id} went back from attempt ${from.attempt} to ${to.attempt}`];
  // A job that returns to the queue keeps the number of its last attempt until the next call.
  const isSameTry = from.attempt === to.attempt && to.status !== 'QUEUED';
  if (!isSameTry || to.progress >= from.progress) return [];
  return [`${to.id} went back from ${from.progress} to ${to.progress} percent`];
}

/** The states that are reachable from each state, possibly through others. */
function closureOf(moves: Readonly<Record<string, readonly string[]>>): Map<string, Set<string>> {
  const closure = new Map<string, Set<string>>();
  for (const start of Object.keys(moves)) {
    const reached = new Set<string>();
    const open = [...moves[start]!];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (reached.has(next)) continue;
      reached.add(next);
      open.push(...moves[next]!);
    }
    closure.set(start, reached);
  }
  return closure;
}
