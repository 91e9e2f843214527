import { camelRow, snakeName } from '../../src/core/sql';

describe('rows', () => {
  it('are mapped to camelCase names', () => {
    const row = { id: 1, provider_ref: 'a', input_sha256: 'b', s3_key: 'c', due_at: null };
    expect(camelRow(row)).toEqual({ id: 1, providerRef: 'a', inputSha256: 'b', s3Key: 'c', dueAt: null });
  });

  it.each(['id', 'status', 'providerRef', 'estimatedReadyAt', 'failureRetryable'])(
    'are written under their column names: %s',
    (name) => {
      expect(camelRow({ [snakeName(name)]: 1 })).toEqual({ [name]: 1 });
    },
  );
});
