import { oncePerEvent, type StoredEvent } from '../../src/events/event';

const eventOf = (sequence: number): StoredEvent => ({
  ...{ streamId: 's', sequence, kind: 'MODEL', subjectId: 's', generationId: null, payload: {} },
  createdAt: new Date(0),
});

describe('what is read once per event', () => {
  it('is read once for each event and reader, and is the same object for all', () => {
    const read: string[] = [];
    const readers = ['a', 'b'].map((name) =>
      oncePerEvent(({ sequence }) => {
        read.push(`${name}${sequence}`);
        return { name, sequence };
      }),
    );
    const events = [eventOf(1), eventOf(2)];
    const readAll = (): object[] => events.flatMap((event) => readers.map((reader) => reader(event)));
    const first = readAll();
    expect(first).toEqual([
      { name: 'a', sequence: 1 },
      { name: 'b', sequence: 1 },
      { name: 'a', sequence: 2 },
      { name: 'b', sequence: 2 },
    ]);
    readAll().forEach((value, index) => expect(value).toBe(first[index]));
    expect(read).toEqual(['a1', 'b1', 'a2', 'b2']);
  });
});
