import { payloadCodec } from '../../src/events/event';

interface Row {
  id: string;
  name: string | null;
  token: string;
  readyAt: Date | null;
}

const codec = payloadCodec<Row>()(['id', 'name'], ['readyAt']);

describe('payloadCodec', () => {
  const row: Row = { id: 'a', name: 'Ann', token: 'private', readyAt: new Date(5) };

  it('writes the listed properties only', () => {
    expect(codec.write(row)).toEqual({ id: 'a', name: 'Ann', readyAt: new Date(5) });
  });

  it('reads what it wrote after JSON', () => {
    const stored = JSON.parse(JSON.stringify(codec.write(row))) as Record<string, unknown>;
    expect(codec.read(stored)).toEqual({ id: 'a', name: 'Ann', readyAt: new Date(5) });
  });

  it('reads an event of a version with other properties', () => {
    expect(codec.read({ id: 'a', older: 1 })).toEqual({ id: 'a', name: null, readyAt: null });
  });

  it('refuses a row without a listed property', () => {
    const { name: _name, ...partial } = row;
    expect(() => codec.write(partial as Row)).toThrow('lacks a property');
  });
});
