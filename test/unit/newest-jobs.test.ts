import type { ExchangeInput } from '@urql/core';
import { makeSubject, never, pipe, subscribe } from 'wonka';
import { newestJobsExchange } from '../../web/src/api/newestJobs';

describe('the studio', () => {
  let receive: (data: object) => void;
  let shown: { model?: unknown }[];

  beforeEach(() => {
    const answers = makeSubject<never>();
    shown = [];
    receive = (data) => answers.next({ data } as never);
    pipe(
      newestJobsExchange({ forward: () => answers.source } as unknown as ExchangeInput)(never),
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
});
