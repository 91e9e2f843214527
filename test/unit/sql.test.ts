import { snakeName } from '../../src/core/sql';

describe('column names', () => {
  it.each([
    ['id', 'id'],
    ['providerRef', 'provider_ref'],
    ['inputSha256', 'input_sha256'],
  ])('of %s is %s', (property, column) => {
    expect(snakeName(property)).toBe(column);
  });
});
