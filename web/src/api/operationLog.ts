import { stringifyDocument, type AnyVariables, type Exchange, type Operation } from '@urql/core';
import { pipe, tap } from 'wonka';

/** An operation that the page has sent, for the developer's panel. Headers, and with them keys, are never recorded. */
export interface LoggedOperation {
  readonly id: number;
  readonly kind: 'query' | 'mutation' | 'subscription';
  readonly name: string;
  readonly document: string;
  readonly variables: AnyVariables;
  readonly startedAt: Date;
  /** Until the latest answer; null before the first. */
  readonly durationMs: number | null;
  readonly answers: number;
  readonly error: string | null;
}

const maxLogged = 60;

let logged: readonly LoggedOperation[] = [];
let lastId = 0;
const listeners = new Set<() => void>();

function update(next: readonly LoggedOperation[]): void {
  logged = next.slice(0, maxLogged);
  for (const listener of listeners) listener();
}

/** The newest first. */
export const readOperationLog = (): readonly LoggedOperation[] => logged;

export const clearOperationLog = (): void => update([]);

export function subscribeOperationLog(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** Records the operations that reach the network, and how they were answered. */
export const operationLogExchange: Exchange =
  ({ forward }) =>
  (operations$) => {
    const ids = new Map<number, number>();
    return pipe(
      operations$,
      tap((operation) => {
        if (operation.kind !== 'teardown') ids.set(operation.key, record(operation));
      }),
      forward,
      tap(({ operation, error }) => complete(ids.get(operation.key), error?.message ?? null)),
    );
  };

function record(operation: Operation): number {
  const document = stringifyDocument(operation.query);
  const id = ++lastId;
  const entry: LoggedOperation = {
    id,
    kind: operation.kind as LoggedOperation['kind'],
    name: /(?:query|mutation|subscription)\s+(\w+)/.exec(document)?.[1] ?? operation.kind,
    document,
    variables: operation.variables,
    startedAt: new Date(),
    durationMs: null,
    answers: 0,
    error: null,
  };
  update([entry, ...logged]);
  return id;
}

function complete(id: number | undefined, error: string | null): void {
  const now = Date.now();
  update(
    logged.map((entry) =>
      entry.id === id
        ? {
            ...entry,
            durationMs: entry.durationMs ?? now - entry.startedAt.getTime(),
            answers: entry.answers + 1,
            error,
          }
        : entry,
    ),
  );
}
