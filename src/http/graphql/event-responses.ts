import { Kind, visit, type DocumentNode, type ExecutionArgs, type ExecutionResult } from 'graphql';
import type { ChangeSource, Shareable } from '../../core/push-source';
import type { GraphQLContext } from '../../graphql/context';
import { EventWriters, type EventWriter } from './event-text';
import { ResponseText } from './response-text';

/** What became of an event: null if it is not sent. An error ends the subscriptions. */
export type EventOutcome = { readonly result: ExecutionResult | null } | { readonly error: unknown };

/** Is called when a response is settled. */
export interface ResponseListener {
  onResponse(): void;
}

/** Listeners that are called in one turn of the event loop; the others are called in the next ones. */
const maxCallsPerTurn = 500;

/**
 * How long a response is given to further subscribers, in milliseconds. All subscribers of an event take it within some
 * turns of the event loop; one that reads slowly takes it later, and then gets the object as it is then.
 */
const maxSharedMs = 1_000;

/** The response to an event, for all of its subscribers. */
export class EventResponse {
  outcome: EventOutcome | null = null;
  private settledMs = 0;
  private listeners: ResponseListener[] = [];

  /** Whether it may be given to further subscribers. */
  get isShareable(): boolean {
    return this.outcome === null || performance.now() - this.settledMs < maxSharedMs;
  }

  /** Calls the listener once the response is settled. */
  onSettled(listener: ResponseListener): void {
    if (this.outcome) listener.onResponse();
    else this.listeners.push(listener);
  }

  /** Sets the outcome, once. */
  settle(outcome: EventOutcome): void {
    this.outcome = outcome;
    this.settledMs = performance.now();
    const { listeners } = this;
    if (listeners.length === 0) return;
    this.listeners = [];
    callInTurns(listeners, 0);
  }
}

function callInTurns(listeners: readonly ResponseListener[], start: number): void {
  const end = Math.min(start + maxCallsPerTurn, listeners.length);
  for (let index = start; index < end; index += 1) listeners[index]!.onResponse();
  if (end < listeners.length) setImmediate(() => callInTurns(listeners, end));
}

/** Executes and serializes an event. */
type Execute = (args: ExecutionArgs, context: GraphQLContext, rootValue: unknown) => Promise<ExecutionResult>;

/** How a group responds to events. */
interface Responding {
  /** Null: the executor responds. */
  readonly writer: EventWriter | null;
  readonly execute: Execute;
  /** Of the first subscriber, as its context. */
  readonly args: ExecutionArgs;
  readonly context: GraphQLContext;
}

/**
 * The responses to the events of one operation. Subscribers with the same document, variables and rights share them: an
 * event is completed, executed and serialized once.
 */
export class ResponseGroup {
  subscribers = 0;
  /** By what has changed. Null while there is one subscriber. */
  private recent: WeakMap<object, EventResponse> | null = null;

  constructor(
    readonly key: string,
    private readonly responding: Responding,
  ) {}

  /** The response to a change. Snapshots are not shared, because each subscriber reads its own. */
  respond<Change extends Shareable>(source: ChangeSource<Change, unknown>, change: Change): EventResponse {
    const isShared = this.subscribers > 1 && !change.isSnapshot;
    const known = isShared ? this.recent?.get(change.item) : undefined;
    if (known?.isShareable) return known;
    const response = new EventResponse();
    if (isShared) (this.recent ??= new WeakMap()).set(change.item, response);
    this.begin(response, source, change);
    return response;
  }

  /** Settles the response, immediately if nothing has to be read for it. */
  private begin<Change extends Shareable>(
    response: EventResponse,
    source: ChangeSource<Change, unknown>,
    change: Change,
  ): void {
    try {
      const completed = source.complete(change);
      if (completed instanceof Promise) void this.finish(response, completed);
      else if (!this.write(response, completed)) void this.finish(response, completed);
    } catch (error) {
      response.settle({ error });
    }
  }

  private async finish(response: EventResponse, completing: unknown): Promise<void> {
    try {
      const completed = await completing;
      if (this.write(response, completed)) return;
      const { execute, args, context } = this.responding;
      response.settle({ result: await execute(args, context, completed) });
    } catch (error) {
      response.settle({ error });
    }
  }

  /** @returns false if the executor must respond */
  private write(response: EventResponse, completed: unknown): boolean {
    if (completed === undefined) {
      response.settle({ result: null });
      return true;
    }
    const text = this.responding.writer?.(completed) ?? null;
    if (text === null) return false;
    response.settle({ result: new ResponseText(text) });
    return true;
  }
}

/** What subscriptions with the same document share. */
interface KnownDocument {
  /** Identifies it in this process. */
  readonly number: number;
  readonly resumeVariable: string | null;
  readonly writers: EventWriters;
}

/** The groups of open subscriptions. */
export class ResponseGroups {
  private readonly groups = new Map<string, ResponseGroup>();
  private readonly documents = new WeakMap<DocumentNode, KnownDocument>();
  private documentCount = 0;

  constructor(private readonly execute: Execute) {}

  /** Joins the group of an operation. Call {@link leave} once. */
  join(args: ExecutionArgs, context: GraphQLContext): ResponseGroup {
    const { viewer } = context;
    const { number, resumeVariable, writers } = this.documentOf(args.document);
    const { [resumeVariable ?? '']: _after, ...variables } = args.variableValues ?? {};
    const restrictedTo = viewer.clientToken?.restriction?.id ?? null;
    const rights = [viewer.owner, restrictedTo, ...[...viewer.scopes].sort()];
    const key = JSON.stringify([number, args.operationName ?? null, variables, rights]);
    let group = this.groups.get(key);
    if (!group) {
      group = new ResponseGroup(key, { writer: writers.of(args), execute: this.execute, args, context });
      this.groups.set(key, group);
    }
    group.subscribers += 1;
    return group;
  }

  /** Leaves a group. */
  leave(group: ResponseGroup): void {
    group.subscribers -= 1;
    if (group.subscribers === 0) this.groups.delete(group.key);
  }

  private documentOf(document: DocumentNode): KnownDocument {
    const known = this.documents.get(document);
    if (known) return known;
    this.documentCount += 1;
    const entry = {
      number: this.documentCount,
      resumeVariable: resumeVariableIn(document),
      writers: new EventWriters(document),
    };
    this.documents.set(document, entry);
    return entry;
  }
}

/**
 * The variable that is only the `after` of a subscription, where it has no effect on the responses to events; null if no
 * variable is, or if it is used elsewhere too.
 */
function resumeVariableIn(document: DocumentNode): string | null {
  const uses = new Map<string, number>();
  visit(document, {
    VariableDefinition: () => false,
    Variable: ({ name }) => void uses.set(name.value, (uses.get(name.value) ?? 0) + 1),
  });
  const resumes = document.definitions.flatMap((definition) =>
    definition.kind === Kind.OPERATION_DEFINITION ? definition.selectionSet.selections : [],
  );
  for (const field of resumes) {
    if (field.kind !== Kind.FIELD) continue;
    const after = field.arguments?.find(({ name }) => name.value === 'after')?.value;
    if (after?.kind === Kind.VARIABLE && uses.get(after.name.value) === 1) return after.name.value;
  }
  return null;
}
