import type { ExchangeInput, Operation } from '@urql/core';
import { filter, makeSubject, merge, pipe, subscribe, type Source } from 'wonka';
import { newestJobsExchange } from '../../web/src/api/newestJobs';

describe('the studio', () => {
  let follow: (after: string | null) => void;
  let receive: (data: object) => void;
  let shown: { model?: unknown }[];

  beforeEach(() => {
    const operations = makeSubject<Operation>();
    const answers = makeSubject<never>();
    const noAnswers = filter(() => false) as (sent: Source<Operation>) => Source<never>;
    const forward = (sent: Source<Operation>): Source<never> => merge([noAnswers(sent), answers.source]);
    shown = [];
    follow = (after) =>
      operations.next({ kind: 'subscription', variables: { after } } as unknown as Operation);
    receive = (data) => answers.next({ data } as never);
    pipe(
      newestJobsExchange({ forward } as unknown as ExchangeInput)(operations.source),
      subscribe(({ data }) => void shown.push(data as object)),
    );
  });

  const receiveModel = (second: number, fields: object): void =>
    receive({ model: { id: 'model_1', updatedAt: `2026-01-01T00:00:0${second}.000Z`, ...fields } });

  it('keeps the newest state of a job when an earlier one arrives after an answer without state', () => {
    receiveModel(2, { name: 'Ann', status: 'READY' });
    receiveModel(3, { name: 'Bea' });
    receiveModel(1, { name: 'Ann', status: 'TRAINING' });
    expect(shown.at(-1)).toMatchObject({ model: { name: 'Bea', status: 'READY' } });
  });

  it('shows an earlier state of a job after the database was restored', () => {
    receiveModel(2, { status: 'QUEUED' });
    receive({ activity: { change: { __typename: 'CaughtUp', hasGap: true } } });
    receiveModel(1, { status: 'FAILED' });
    expect(shown.at(-1)).toMatchObject({ model: { status: 'FAILED' } });
  });

  it.each([
    ['shows an earlier state of a job once events are followed without a cursor', null, 'FAILED'],
    ['keeps the newest state of a job when events continue after a cursor', 'cursor', 'QUEUED'],
  ])('%s', (_, after, status) => {
    receiveModel(2, { status: 'QUEUED' });
    follow(after);
    receiveModel(1, { status: 'FAILED' });
    expect(shown.at(-1)).toMatchObject({ model: { status } });
  });
});
