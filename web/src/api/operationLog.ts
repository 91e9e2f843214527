import { stringifyDocument, type AnyVariables, type Exchange } from '@urql/core';
import { pipe, tap } from 'wonka';
import { clockedFetch } from './serverClock';

/** An operation that the page has sent, for the developer's panel. Headers, and with them keys, are never recorded. */
export interface LoggedOperation {
  readonly id: number;
  readonly kind: 'query' | 'mutation' | 'subscription';
  readonly name: string;
  readonly document: string;
  readonly variables: AnyVariables;
  readonly startedAt: number;
  /** Until the first answer; null before. */
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

/** Records the operations of components, and how they were answered. */
export const operationLogExchange: Exchange =
  ({ forward }) =>
  (operations$) => {
    const ids = new Map<number, number>();
    return pipe(
      operations$,
      tap(({ kind, key, query, variables }) => {
        if (kind === 'teardown') forgetUnanswered(ids.get(key));
        else ids.set(key, begin(stringifyDocument(query), variables));
      }),
      forward,
      tap(({ operation, error }) => end(ids.get(operation.key), error?.message ?? null)),
    );
  };

/** `fetch` that records the operations of the client module. */
export const loggedFetch: typeof fetch = async (input, init) => {
  const { query, variables } = JSON.parse(init?.body as string) as { query: string; variables: AnyVariables };
  const id = begin(query, variables);
  try {
    const response = await clockedFetch(input, init);
    const answer = (await response
      .clone()
      .json()
      .catch(() => null)) as { errors?: { message: string }[] } | null;
    end(id, answer?.errors?.[0]?.message ?? null);
    return response;
  } catch (error) {
    end(id, (error as Error).message);
    throw error;
  }
};

function begin(document: string, variables: AnyVariables): number {
  const [, kind = 'query', name = kind] = /(query|mutation|subscription)\s+(\w+)/.exec(document) ?? [];
  const id = ++lastId;
  const entry: LoggedOperation = {
    id,
    kind: kind as LoggedOperation['kind'],
    name,
    document,
    variables,
    startedAt: Date.now(),
    durationMs: null,
    answers: 0,
    error: null,
  };
  update([entry, ...logged]);
  return id;
}

function end(id: number | undefined, error: string | null): void {
  const change = (entry: LoggedOperation): LoggedOperation => ({
    ...entry,
    durationMs: entry.durationMs ?? Date.now() - entry.startedAt,
    answers: entry.answers + 1,
    error,
  });
  update(logged.map((entry) => (entry.id === id ? change(entry) : entry)));
}

/** A component that ends at once has sent nothing. */
function forgetUnanswered(id: number | undefined): void {
  const isIt = (entry: LoggedOperation): boolean => entry.id === id && entry.answers === 0;
  if (logged.some(isIt)) update(logged.filter((entry) => !isIt(entry)));
}
