import { encodeEventCursor } from '../../src/events/event';
import {
  History,
  type JobState,
  type MutationResult,
  type StreamEvent,
  type StreamLog,
} from '../support/history';

const uuid = '0192f0c0a0007000a000000000000001';
const id = `generation_${uuid}`;
const model = 'model_0192f0c0a0007000a000000000000002';
const state = (status: string, progress = 0, attempt = 1): JobState => ({ id, status, progress, attempt });
const done = state('COMPLETED', 100);

const event = (sequence: number, item: JobState | null, more: Partial<StreamEvent> = {}): StreamEvent => ({
  cursor: encodeEventCursor(uuid, sequence),
  isSnapshot: false,
  id,
  state: item,
  ...more,
});
const stream = (events: StreamEvent[], start: number | null = 0): StreamLog => ({
  owner: 'alice',
  subject: id,
  kind: 'progress',
  start: start === null ? null : encodeEventCursor(uuid, start),
  events,
  isComplete: true,
});
const whole = [
  event(1, state('QUEUED')),
  event(2, state('SUBMITTING')),
  event(3, state('GENERATING', 10)),
  event(4, state('STORING', 90)),
  event(5, done),
];

describe('the history checker', () => {
  let history: History;
  let current: Map<string, JobState | null>;
  let replays: Map<StreamLog, StreamEvent[]>;

  beforeEach(() => {
    history = new History();
    current = new Map([[id, done]]);
    replays = new Map();
  });

  const send = (
    name: string,
    result: MutationResult,
    more: { label?: string; target?: string } = {},
  ): void => {
    const { label = 'key', target = name.startsWith('generate') ? model : id } = more;
    history.send({ owner: 'alice', name, label, target })(result);
  };
  const execute = (attempt: number | null = null): void => {
    history.execute({ label: 'key', photos: attempt === null ? null : { job: uuid, attempt } });
  };
  const follow = (events: StreamEvent[], replay: StreamEvent[], start: number | null = 0): StreamLog => {
    const log = stream(events, start);
    history.streams.push(log);
    replays.set(log, replay);
    return log;
  };
  const problems = (): string[] => history.problems(current, replays);

  it('finds no problem in a valid history', () => {
    send('generateAvatars', 'lost');
    send('generateAvatars', state('QUEUED'));
    execute(1);
    send('retryGeneration', 'refused', { label: 'a' });
    send('retryGeneration', state('QUEUED'), { label: 'b' });
    execute(2);
    history.read(id)(state('GENERATING', 10));
    history.read(id)(done);
    history.see('alice', { job: done });
    follow(whole, whole);
    const present = event(2, state('SUBMITTING'), { isSnapshot: true });
    follow([present, ...whole.slice(2)], whole.slice(2), null);
    expect(problems()).toEqual([]);
    expect(history.jobs).toEqual([{ owner: 'alice', id }]);
  });

  it('finds a repeated execution of a mutation, of a retry, and of an attempt', () => {
    send('generateAvatars', state('QUEUED'));
    execute();
    execute();
    expect(problems()).toEqual([`generateAvatars key of alice was executed 2 times`]);
    history = new History();
    send('generateAvatars', state('QUEUED'));
    send('retryGeneration', state('QUEUED'), { label: 'retry' });
    execute();
    expect(problems()).toEqual([]);
    execute();
    expect(problems()).toEqual([`retry 1 of generateAvatars key of alice was executed 2 times`]);
  });

  it('rejects a label that two generations share', () => {
    send('generateAvatars', state('QUEUED'));
    send('generateAvatars', 'lost');
    send('trainModel', 'lost');
    const sendAs = (owner: string) => () =>
      history.send({ owner, name: 'generateInstantAvatars', label: 'key', target: null });
    expect(sendAs('bob')).toThrow('Two mutations have the label key.');
    expect(sendAs('alice')).toThrow('Two mutations have the label key.');
  });

  it('finds an execution of a mutation whose answer was lost, by its label or its photos', () => {
    send('generateAvatars', 'lost');
    execute();
    execute();
    expect(problems()).toHaveLength(1);
    history = new History();
    send('trainModel', state('QUEUED'));
    history.execute({ label: null, photos: { job: uuid, attempt: 1 } });
    history.execute({ label: null, photos: { job: uuid, attempt: 1 } });
    expect(problems()).toEqual([
      `attempt ${uuid}/1 was executed 2 times`,
      'trainModel key of alice was executed 2 times',
    ]);
  });

  it('finds acknowledged mutations that are not visible', () => {
    send('generateAvatars', state('QUEUED'));
    current.set(id, null);
    expect(problems()).toEqual([`${id} was acknowledged by generateAvatars and is not there`]);
    current.set(id, done);
    send('generateAvatars', { ...done, id: `${id}0` });
    expect(problems()).toEqual(['generateAvatars key of alice gave 2 ids']);
  });

  it.each(['deleteGeneration', 'deleteModel'])('expects no data that %s may have deleted', (name) => {
    send('generateAvatars', state('QUEUED'));
    send(name, 'refused', { label: 'a', target: name === 'deleteModel' ? model : id });
    expect(history.jobs).toHaveLength(1);
    send(name, 'lost', { label: 'b', target: name === 'deleteModel' ? model : id });
    current.set(id, null);
    expect(problems()).toEqual([]);
    expect(history.jobs).toEqual([]);
  });

  it('expects replayed events of all avatars except deleted ones', () => {
    const avatars = [event(1, null, { id: 'avatar_a' }), event(2, null, { id: 'avatar_b' })];
    send('generateAvatars', state('QUEUED'), { target: model });
    const log: StreamLog = { ...stream(avatars), subject: model, kind: 'avatars', isComplete: false };
    history.streams.push(log);
    replays.set(log, avatars.slice(1));
    expect(problems()).toHaveLength(1);
    send('deleteGeneration', 'done');
    expect(problems()).toEqual([]);
    replays.set(log, [...avatars.slice(1), event(3, null, { id: 'avatar_c' })]);
    expect(problems()).toHaveLength(1);
  });

  it('finds a reverted change', () => {
    send('cancelGeneration', state('CANCELLED'));
    expect(problems()).toEqual([`after cancelGeneration: ${id} went from CANCELLED to COMPLETED`]);
    send('cancelGeneration', state('CANCELLED'));
    current.set(id, state('CANCELLED'));
    expect(problems()).toEqual([]);
  });

  it.each([
    ['a gap', whole.filter((_, index) => index !== 3), 'item 3 is 5'],
    ['an item twice', [...whole.slice(0, 3), ...whole.slice(2)], 'sequence 3 came after 3'],
    ['a wrong order', [whole[1]!, whole[0]!, ...whole.slice(2)], 'sequence 1 came after 2'],
    ['another content', [...whole.slice(0, 4), event(5, state('PARTIAL', 100))], 'item 4 is 5'],
    ['an item that never was', [...whole, event(6, done)], 'instead of nothing'],
    ['a new beginning', [whole[0]!, { ...whole[1]!, isSnapshot: true }, ...whole.slice(2)], 'began again'],
  ])('finds %s in a stream', (_, events, problem) => {
    follow(events, whole);
    expect(problems().join('\n')).toContain(problem);
  });

  it('finds the missing end of a stream that is still open', () => {
    const log = follow(whole.slice(0, 4), whole);
    expect(problems()).toEqual([]);
    log.isComplete = false;
    expect(problems().join()).toContain('is missing');
  });

  it('accepts a snapshot in several items, and its repetition after a lost connection', () => {
    const present = (sequence: number): StreamEvent => event(sequence, null, { isSnapshot: true });
    follow([present(-1), present(-1), present(7), event(8, null)], [event(8, null)], null);
    expect(problems()).toEqual([]);
  });

  it('finds decreasing progress and illegal state transitions', () => {
    const back = [whole[2]!, event(4, state('STORING', 5))];
    const jump = [whole[0]!, event(2, state('STORING', 10))];
    follow(back, back);
    expect(problems()).toEqual([`${id} went back from 10 to 5 percent`]);
    history.streams.length = 0;
    replays.clear();
    follow(jump, jump);
    expect(problems()).toEqual([`${id} went from QUEUED to STORING`]);
  });

  it('finds reads that are older than earlier reads', () => {
    const overlapping = history.read(id);
    history.read(id)(done);
    overlapping(state('GENERATING', 10));
    history.read(id)(null);
    expect(problems()).toEqual([]);
    history.read(id)(state('GENERATING', 5));
    history.read(id)(state('FAILED', 10, 2));
    history.read(id)(state('FAILED', 10, 1));
    expect(problems()).toEqual([
      `${id} went back from 10 to 5 percent`,
      `${id} went back from attempt 2 to 1`,
    ]);
    history.read(id)(done);
    history.read(id)(state('QUEUED'));
    expect(problems().at(-1)).toBe(`${id} went from COMPLETED to QUEUED`);
  });

  it('accepts that the progress of a job is 0 after a retry that ended before its call', () => {
    const cancelRetry = (): void => {
      history.read(id)(state('FAILED', 40));
      history.read(id)(state('CANCELLED', 0));
    };
    send('retryGeneration', state('QUEUED'));
    cancelRetry();
    expect(problems()).toEqual([]);
    history = new History();
    cancelRetry();
    expect(problems()).toEqual([`${id} went back from 40 to 0 percent`]);
  });

  it('finds an id that was shown to two owners', () => {
    history.see('bob', { models: [{ id: model }], note: null });
    history.see('bob', null);
    expect(problems()).toEqual([]);
    history.see('alice', [`/media/${model}.jpg`]);
    expect(problems()).toEqual([`${model} was shown to alice and bob`]);
  });
});
