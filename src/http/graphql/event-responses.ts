import { Kind, visit, type DocumentNode, type ExecutionArgs, type ExecutionResult } from 'graphql';
import type { ChangeKey, ChangeSource } from '../../core/push-source';
import type { GraphQLContext } from '../../graphql/context';

/** What became of an event: null if it is not sent. An error ends the subscriptions. */
export type EventOutcome = { readonly result: ExecutionResult | null } | { readonly error: unknown };

/** Is called when a response is settled. */
export interface ResponseListener {
  onResponse(): void;
}

/** Listeners that are called in one turn of the event loop; the others are called in the next ones. */
const maxCallsPerTurn = 500;

/** The response to an event, for all of its subscribers. */
export class EventResponse {
  outcome: EventOutcome | null = null;
  private listeners: ResponseListener[] = [];

  /** Calls the listener once the response is settled. */
  onSettled(listener: ResponseListener): void {
    if (this.outcome) listener.onResponse();
    else this.listeners.push(listener);
  }

  /** Sets the outcome, once. */
  settle(outcome: EventOutcome): void {
    this.outcome = outcome;
    const { listeners } = this;
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

/**
 * The responses to the events of one operation. Subscribers with the same document, variables and rights share them: an
 * event is completed, executed and serialized once.
 */
export class ResponseGroup {
  subscribers = 0;
  /** By cursor, for the turn of the event loop after they are settled, in which all subscribers have asked for them. */
  private recent: Map<string, EventResponse> | null = null;

  /** @param args - of the first subscriber, as its context */
  constructor(
    readonly key: string,
    private readonly execute: Execute,
    private readonly args: ExecutionArgs,
    private readonly context: GraphQLContext,
  ) {}

  /** The response to a change. Snapshots are not shared, because each subscriber reads its own. */
  respond<Change extends ChangeKey>(source: ChangeSource<Change, unknown>, change: Change): EventResponse {
    const known = change.isSnapshot ? undefined : this.recent?.get(change.cursor);
    if (known) return known;
    const response = new EventResponse();
    if (!change.isSnapshot) {
      this.recent ??= new Map();
      this.recent.set(change.cursor, response);
    }
    void this.settle(response, source, change);
    return response;
  }

  private async settle<Change extends ChangeKey>(
    response: EventResponse,
    source: ChangeSource<Change, unknown>,
    change: Change,
  ): Promise<void> {
    response.settle(await this.outcomeOf(source, change));
    if (!change.isSnapshot) setImmediate(() => this.forget(change.cursor));
  }

  private forget(cursor: string): void {
    this.recent?.delete(cursor);
    if (this.recent?.size === 0) this.recent = null;
  }

  private async outcomeOf<Change extends ChangeKey>(
    source: ChangeSource<Change, unknown>,
    change: Change,
  ): Promise<EventOutcome> {
    try {
      const rootValue = await source.complete(change);
      return {
        result: rootValue === undefined ? null : await this.execute(this.args, this.context, rootValue),
      };
    } catch (error) {
      return { error };
    }
  }
}

/** The groups of open subscriptions. */
export class ResponseGroups {
  private readonly groups = new Map<string, ResponseGroup>();
  private readonly documents = new WeakMap<DocumentNode, { number: number; resumeVariable: string | null }>();
  private documentCount = 0;

  constructor(private readonly execute: Execute) {}

  /** Joins the group of an operation. Call {@link leave} once. */
  join(args: ExecutionArgs, context: GraphQLContext): ResponseGroup {
    const { viewer } = context;
    const { number, resumeVariable } = this.documentOf(args.document);
    const { [resumeVariable ?? '']: _after, ...variables } = args.variableValues ?? {};
    const rights = [viewer.owner, ...[...viewer.scopes].sort()];
    const key = JSON.stringify([number, args.operationName ?? null, variables, rights]);
    const group = this.groups.get(key) ?? new ResponseGroup(key, this.execute, args, context);
    this.groups.set(key, group);
    group.subscribers += 1;
    return group;
  }

  /** Leaves a group. */
  leave(group: ResponseGroup): void {
    group.subscribers -= 1;
    if (group.subscribers === 0) this.groups.delete(group.key);
  }

  private documentOf(document: DocumentNode): { number: number; resumeVariable: string | null } {
    const known = this.documents.get(document);
    if (known) return known;
    const entry = { number: (this.documentCount += 1), resumeVariable: resumeVariableIn(document) };
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
