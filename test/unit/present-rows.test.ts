import { DomainError } from '../../src/core/errors';
import { PresentRows, type OwnedKey } from '../../src/events/present-rows';

interface Row extends OwnedKey {
  read: number;
}

/** Rows of any owner, except of `mallory`; `read` is the number of its read. */
function rows(failures: Error[] = []): { present: PresentRows<Row>; reads: (readonly OwnedKey[])[] } {
  const reads: (readonly OwnedKey[])[] = [];
  const present = new PresentRows<Row>((keys) => {
    reads.push(keys);
    const failure = failures.shift();
    if (failure) return Promise.reject(failure);
    return Promise.resolve(
      keys.filter(({ owner }) => owner !== 'mallory').map((key) => ({ ...key, read: reads.length })),
    );
  });
  return { present, reads };
}

describe('present rows', () => {
  it('are read by one statement for all subscribers of an event', async () => {
    const { present, reads } = rows();
    const found = await Promise.all(['a', 'b', 'a', 'a'].map((id) => present.find({ owner: 'alice', id })));
    expect(found.map((row) => row?.id)).toEqual(['a', 'b', 'a', 'a']);
    expect(reads).toEqual([
      [
        { owner: 'alice', id: 'a' },
        { owner: 'alice', id: 'b' },
      ],
    ]);
  });

  it('are read again for the next event', async () => {
    const { present } = rows();
    const first = await present.find({ owner: 'alice', id: 'a' });
    const second = await present.find({ owner: 'alice', id: 'a' });
    expect([first?.read, second?.read]).toEqual([1, 2]);
  });

  it('are those of the given owner', async () => {
    const { present } = rows();
    const [own, other] = await Promise.all(
      ['alice', 'mallory'].map((owner) => present.find({ owner, id: 'a' })),
    );
    expect([own?.owner, other]).toEqual(['alice', null]);
  });

  it('are read again after the database was unavailable, at most 6 times', async () => {
    const unavailable = new DomainError('SERVICE_UNAVAILABLE', 'The database is restarting.');
    const { present, reads } = rows([unavailable, unavailable]);
    expect((await present.find({ owner: 'alice', id: 'a' }))?.read).toBe(3);
    expect(reads).toHaveLength(3);
  });

  it('are not read again after another error', async () => {
    const { present, reads } = rows([new Error('syntax error')]);
    await expect(present.find({ owner: 'alice', id: 'a' })).rejects.toThrow('syntax error');
    expect(reads).toHaveLength(1);
  });
});
