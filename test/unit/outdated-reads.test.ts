import type { ExchangeInput, Operation } from '@urql/core';
import { filter, makeSubject, merge, pipe, subscribe, type Source } from 'wonka';
import { outdatedReadsExchange } from '../../web/src/api/outdatedReads';

describe('the studio, of a query that is being answered', () => {
  let send: (operation: Operation) => void;
  let receive: (operation: Operation, result: object) => void;
  /** The operations that the exchange has sent by itself. */
  let repeated: Operation[];

  beforeEach(() => {
    const operations = makeSubject<Operation>();
    const results = makeSubject<never>();
    repeated = [];
    send = (operation) => operations.next(operation);
    receive = (operation, result) => results.next({ operation, ...result } as never);
    const client = { reexecuteOperation: (operation: Operation) => void repeated.push(operation) };
    const noResults = filter(() => false) as (sent: Source<Operation>) => Source<never>;
    const forward = (sent: Source<Operation>): Source<never> => merge([noResults(sent), results.source]);
    pipe(
      outdatedReadsExchange({ client, forward } as unknown as ExchangeInput)(operations.source),
      subscribe(() => undefined),
    );
  });

  const operation = (kind: Operation['kind'], key: number, variables: object = {}): Operation =>
    ({ kind, key, variables, context: { requestPolicy: 'cache-first', url: '/graphql' } }) as Operation;
  const query = operation('query', 1);
  const answer = { data: { models: [] } };
  const jobChange = { change: { __typename: 'ModelChanged' }, isEstimate: false, isSnapshot: false };
  const caughtUp = (hasGap: boolean): object => ({ change: { __typename: 'CaughtUp', hasGap } });
  const receiveEvent = (activity: object, after: string | null = 'cursor'): void =>
    receive(operation('subscription', 9, { after }), { data: { activity } });

  it.each([
    ['a change', jobChange, 'cursor'],
    ['a gap of the events', caughtUp(true), 'cursor'],
    ['the first events, which are not continued after a cursor', caughtUp(false), null],
  ])('reads it again, once and from the server, after %s', (_, event, after) => {
    send(query);
    receiveEvent(event, after);
    expect(repeated).toEqual([]);
    receive(query, answer);
    expect(repeated).toEqual([
      { ...query, context: expect.objectContaining({ requestPolicy: 'network-only', url: '/graphql' }) },
    ]);
    receive(query, answer);
    expect(repeated).toHaveLength(1);
  });

  it('reads it again if the answer is an error', () => {
    send(query);
    receiveEvent(jobChange);
    receive(query, { error: new Error('The server is unavailable.') });
    expect(repeated).toHaveLength(1);
  });

  it.each([
    ['estimates', { ...jobChange, isEstimate: true }],
    ['snapshots', { ...jobChange, isSnapshot: true }],
    ['events that continue without a gap', caughtUp(false)],
  ])('does not read it again after %s', (_, event) => {
    send(query);
    receiveEvent(event);
    receive(query, answer);
    expect(repeated).toEqual([]);
  });

  it('does not read it again after an error of the subscription or the answer to a mutation', () => {
    send(query);
    receive(operation('subscription', 9), { error: new Error('The connection was lost.') });
    receive(operation('mutation', 2), { data: { renameModel: { model: { id: 'model_1' } } } });
    receive(query, answer);
    expect(repeated).toEqual([]);
  });

  it('does not read it again once nothing shows it', () => {
    send(query);
    receiveEvent(jobChange);
    send({ ...query, kind: 'teardown' });
    receive(query, answer);
    expect(repeated).toEqual([]);
  });

  it('does not read a later query again without another change, nor a mutation', () => {
    const mutation = operation('mutation', 2);
    send(query);
    send(mutation);
    receiveEvent(jobChange);
    receive(mutation, answer);
    receive(query, answer);
    expect(repeated).toHaveLength(1);
    send(query);
    receive(query, answer);
    expect(repeated).toHaveLength(1);
  });

  it('reads it again after the last answer of two requests at once, since the older one may come last', () => {
    send(query);
    send(query);
    receive(query, answer);
    expect(repeated).toEqual([]);
    receive(query, answer);
    expect(repeated).toHaveLength(1);
    send(query);
    receive(query, answer);
    expect(repeated).toHaveLength(1);
  });

  it('reads each query again that a change has outdated', () => {
    const other = operation('query', 3);
    send(query);
    send(other);
    receiveEvent(jobChange);
    receive(other, answer);
    receive(query, answer);
    expect(repeated.map(({ key }) => key)).toEqual([3, 1]);
  });
});
