import fc from 'fast-check';
import { newId } from '../../src/core/ids';
import { decodeEventCursor, encodeEventCursor, incompleteSnapshot } from '../../src/events/event';

const refused = expect.objectContaining({ code: 'INVALID_CURSOR', field: 'after' }) as Error;

describe('event cursors', () => {
  const streamId = newId();

  it('decode to their sequence', () => {
    fc.assert(
      fc.property(
        fc.uuid(),
        fc.integer({ min: incompleteSnapshot, max: Number.MAX_SAFE_INTEGER }),
        (id, sequence) => {
          expect(decodeEventCursor(encodeEventCursor(id, sequence), id)).toBe(sequence);
        },
      ),
    );
  });

  it('are URL-safe', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.maxSafeNat(), (id, sequence) => {
        expect(encodeEventCursor(id, sequence)).toMatch(/^[\w-]{32}$/);
      }),
    );
  });

  it('are rejected for another stream', () => {
    const cursor = encodeEventCursor(streamId, 7);
    expect(() => decodeEventCursor(cursor, newId())).toThrow(refused);
  });

  it.each([
    ['nothing', ''],
    ['a number', '7'],
    ['a cut one', encodeEventCursor(streamId, 7).slice(0, -4)],
    ['a longer one', `${encodeEventCursor(streamId, 7)}AAAA`],
    ['one with padding', `${encodeEventCursor(streamId, 7)}=`],
    ['one with blanks', ` ${encodeEventCursor(streamId, 7)}`],
    [
      'one in the other base64',
      encodeEventCursor('ffffffff-ffff-4fff-bfff-ffffffffffff', 7).replaceAll('_', '/'),
    ],
    ['a negative place', encodeEventCursor(streamId, -2)],
  ])('are rejected when the value is %s', (_, cursor) => {
    expect(() => decodeEventCursor(cursor, streamId)).toThrow(refused);
  });

  it('are rejected when the number exceeds any sequence', () => {
    const bytes = Buffer.from(encodeEventCursor(streamId, 7), 'base64url');
    bytes.writeBigInt64BE(2n ** 60n, 16);
    expect(() => decodeEventCursor(bytes.toString('base64url'), streamId)).toThrow(refused);
  });

  it('produce errors with the argument and the fix, without the sent value', () => {
    expect(() => decodeEventCursor('<script>', streamId)).toThrow(/`after`.*Send the last cursor/);
  });
});
