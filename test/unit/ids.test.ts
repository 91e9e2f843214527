import { DomainError } from '../../src/core/errors';
import { fromGlobalId, newId, nodeKinds, readGlobalId, toGlobalId, type NodeKind } from '../../src/core/ids';

const kinds = Object.keys(nodeKinds) as NodeKind[];

describe('ids', () => {
  it('are UUIDs of version 7 in the variant of RFC 9562, in lower case', () => {
    for (let count = 0; count < 1_000; count += 1) {
      expect(newId()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    }
  });

  it('start with their creation time in milliseconds', () => {
    const at = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
    expect(parseInt(newId(at).replaceAll('-', '').slice(0, 12), 16)).toBe(at);
    expect(newId(0)).toMatch(/^00000000-0000-7/);
    expect(newId(2 ** 48 - 1)).toMatch(/^ffffffff-ffff-7/);
  });

  it('sort by creation time', () => {
    const times = [1, 255, 256, 65_536, Date.UTC(2020, 1), Date.UTC(2026, 1), Date.UTC(2100, 1)];
    const ids = times.map((at) => newId(at));
    expect([...ids].reverse().sort()).toEqual(ids);
  });

  it('are unique within one millisecond', () => {
    const ids = Array.from({ length: 20_000 }, () => newId(1_000));
    expect(new Set(ids).size).toBe(ids.length);
  });

  it.each(kinds)('have at most 64 characters as global ids: %s', (kind) => {
    expect(toGlobalId(kind, newId()).length).toBeLessThanOrEqual(64);
  });
});

describe('global ids', () => {
  it.each(kinds)('decode to their row: %s', (kind) => {
    const id = newId();
    const globalId = toGlobalId(kind, id);
    expect(globalId).toBe(`${nodeKinds[kind]}_${id.replaceAll('-', '')}`);
    expect(readGlobalId(globalId)).toEqual({ kind, id });
    expect(fromGlobalId(kind, globalId)).toBe(id);
  });

  it.each([
    '',
    'model',
    'model_',
    'model_1234',
    `model_${'0'.repeat(31)}`,
    `model_${'0'.repeat(33)}`,
    `model_${'G'.repeat(32)}`,
    `model_${'A'.repeat(32)}`,
    `Model_${'0'.repeat(32)}`,
    `owner_${'0'.repeat(32)}`,
    `__proto___${'0'.repeat(32)}`,
    ` model_${'0'.repeat(32)}`,
    `model_${'0'.repeat(32)}\n`,
    `model_${'0'.repeat(32)}' OR 1=1`,
    '01890000-0000-7000-8000-000000000000',
  ])('are not decoded from %j, which is treated like an unknown id', (text) => {
    expect(readGlobalId(text)).toBeNull();
    expect(() => fromGlobalId('AvatarModel', text)).toThrow(
      expect.objectContaining({ code: 'NOT_FOUND', field: 'id' }),
    );
  });

  it('of another type are unknown, with an error that names the field', () => {
    const photo = toGlobalId('Photo', newId());
    const refusals = kinds
      .filter((kind) => kind !== 'Photo')
      .map((kind) => {
        try {
          return fromGlobalId(kind, photo, 'input.modelId');
        } catch (error) {
          return error as DomainError;
        }
      });
    expect(refusals).toHaveLength(kinds.length - 1);
    for (const refusal of refusals) {
      expect(refusal).toBeInstanceOf(DomainError);
      expect(refusal).toMatchObject({ code: 'NOT_FOUND', field: 'input.modelId' });
    }
  });
});
