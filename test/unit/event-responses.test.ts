import { buildSchema, parse, type ExecutionArgs, type ExecutionResult } from 'graphql';
import type { ChangeSource, Listener, PushSource, Shareable } from '../../src/core/push-source';
import { localViewer, type Scope } from '../../src/core/viewer';
import { createContext, type GraphQLContext } from '../../src/graphql/context';
import { ResponseGroups } from '../../src/http/graphql/event-responses';
import { SharedSubscription } from '../../src/http/graphql/open-subscription';
import { until } from '../support/until';

interface Change extends Shareable {
  n: number;
}

/** Subscribers share the item of a change. */
const items: object[] = [];
const changeOf = (n: number, isSnapshot = false): Change => ({ n, item: (items[n] ??= {}), isSnapshot });

/** A source of changes that the test adds. */
class TestSource implements ChangeSource<Change, number>, PushSource<Change> {
  readonly changes = this;
  readonly waiting: Change[] = [];
  isReturned = false;
  private listener: Listener<Change> | null = null;

  /** @param complete - by number; by default the number itself */
  constructor(
    private readonly completion: (n: number) => number | undefined | Promise<number | undefined> = (n) => n,
  ) {}

  add(...changes: Change[]): void {
    for (const change of changes) {
      if (this.listener) this.listener.onItem(change);
      else this.waiting.push(change);
    }
  }

  end(failure: unknown = null): void {
    this.listener?.onEnd(failure);
  }

  complete({ n }: Change): number | undefined | Promise<number | undefined> {
    return this.completion(n);
  }

  attach(listener: Listener<Change>): boolean {
    if (this.waiting.length > 0) return false;
    this.listener = listener;
    return true;
  }

  detach(): void {
    this.listener = null;
  }

  // The source and its changes are one object here.
  next(): Promise<IteratorResult<never, undefined>> {
    const value = this.waiting.shift();
    return Promise.resolve(
      (value ? { value, done: false } : { value, done: true }) as IteratorResult<never, undefined>,
    );
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    this.isReturned = true;
    this.listener = null;
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): never {
    return this as never;
  }
}

const document = parse(`
  subscription A($id: ID!, $after: String, $isLong: Boolean) { follow(id: $id, after: $after) { name @include(if: $isLong) } }
`);
const schema = buildSchema(`
  type Query { name: String }
  type Subscription { follow(id: ID, after: String): Thing }
  type Thing { name: String, list(after: String): Int, id: ID }
`);
const argsOf = (variableValues: Record<string, unknown>, other = document): ExecutionArgs => ({
  schema,
  document: other,
  variableValues,
});
const contextOf = (owner = 'alice', scopes: Scope[] = ['read']): GraphQLContext =>
  createContext({ ...localViewer, owner, scopes: new Set(scopes) }, 'request');

describe('response groups', () => {
  const groups = new ResponseGroups(() => Promise.resolve({}));
  const joined = (args: ExecutionArgs, context = contextOf()): unknown => groups.join(args, context);

  it('are shared by subscribers that differ in `after` only', () => {
    const first = joined(argsOf({ id: '1', isLong: true }));
    expect(joined(argsOf({ id: '1', after: 'x', isLong: true }))).toBe(first);
    expect(joined(argsOf({ after: 'y', id: '1', isLong: true }))).toBe(first);
  });

  it.each([
    ['variables', () => joined(argsOf({ id: '1', isLong: false }))],
    ['owners', () => joined(argsOf({ id: '1', isLong: true }), contextOf('bob'))],
    ['scopes', () => joined(argsOf({ id: '1', isLong: true }), contextOf('alice', ['read', 'write']))],
    ['documents', () => joined(argsOf({ id: '1', isLong: true }, parse('subscription A { follow { id } }')))],
    ['operations', () => joined({ ...argsOf({ id: '1', isLong: true }), operationName: 'A' })],
  ])('are not shared by subscribers with different %s', (_what, other) => {
    expect(other()).not.toBe(joined(argsOf({ id: '1', isLong: true })));
  });

  it('do not ignore a variable that is used elsewhere too', () => {
    const twice = parse('subscription ($after: String) { follow(after: $after) { list(after: $after) } }');
    expect(joined(argsOf({ after: 'x' }, twice))).not.toBe(joined(argsOf({ after: 'y' }, twice)));
  });

  it('end with their last subscriber', () => {
    const args = argsOf({ id: 'ending' });
    const [first, second] = [1, 2].map(() => groups.join(args, contextOf()));
    groups.leave(first!);
    expect(groups.join(args, contextOf())).toBe(second);
    groups.leave(second!);
    groups.leave(second!);
    expect(groups.join(args, contextOf())).not.toBe(second);
  });
});

describe('shared subscriptions', () => {
  interface Subscriber {
    source: TestSource;
    received: unknown[];
    ended: Promise<void>;
    stop(): void;
    /** Accepts what was sent while the client was slow. */
    accept: () => void;
    isSlow: boolean;
  }

  const open = (
    count: number,
    completion?: ConstructorParameters<typeof TestSource>[0],
    executed: unknown[] = [],
  ): Subscriber[] => {
    const execute = async (root: unknown): Promise<ExecutionResult> => {
      executed.push(root);
      await Promise.resolve();
      return { data: { root } };
    };
    const groups = new ResponseGroups((_args, _context, root) => execute(root));
    return Array.from({ length: count }, () => {
      const source = new TestSource(completion);
      const group = groups.join(argsOf({ id: '1' }), contextOf());
      const subscription = new SharedSubscription(source, group, groups);
      const subscriber: Subscriber = {
        ...{ source, received: [], isSlow: false, accept: () => undefined, ended: Promise.resolve() },
        stop: () => subscription.stop(),
      };
      subscriber.ended = subscription.deliver({
        send: ({ data }) => {
          subscriber.received.push(data?.root);
          return subscriber.isSlow ? new Promise((resolve) => (subscriber.accept = resolve)) : undefined;
        },
      });
      subscriber.ended.catch(() => undefined);
      return subscriber;
    });
  };

  it('execute each event once, and each snapshot', async () => {
    const executed: number[] = [];
    const all = open(3, undefined, executed);
    for (const { source } of all) source.add(changeOf(1, true));
    for (const { source } of all) source.add(changeOf(2), changeOf(3));
    await until(() => all.every(({ received }) => received.length === 3));
    expect(all.map(({ received }) => received)).toEqual([1, 2, 3].map(() => [1, 2, 3]));
    expect(executed.sort()).toEqual([1, 1, 1, 2, 3]);
  });

  it('read again for a subscriber that takes an event a second later than the others', async () => {
    const now = jest.spyOn(performance, 'now');
    const executed: number[] = [];
    const [one, two, late] = open(3, undefined, executed) as [Subscriber, Subscriber, Subscriber];
    for (const { source } of [one, two]) source.add(changeOf(1));
    await until(() => two.received.length === 1);
    now.mockReturnValue(performance.now() + 1_000);
    late.source.add(changeOf(1));
    now.mockRestore();
    await until(() => late.received.length === 1);
    expect(executed).toEqual([1, 1]);
  });

  it('send the responses in the order of the changes, and no skipped ones', async () => {
    const settles: (() => void)[] = [];
    const [one] = open(1, (n) =>
      n === 2 ? undefined : new Promise((resolve) => (settles[n] = () => resolve(n))),
    );
    one!.source.add(changeOf(1), changeOf(2), changeOf(3));
    settles[3]!();
    await new Promise(setImmediate);
    expect(one!.received).toEqual([]);
    settles[1]!();
    await until(() => one!.received.length === 2);
    expect(one!.received).toEqual([1, 3]);
  });

  it('leave changes in the source while the client reads slowly', async () => {
    const [slow, quick] = open(2) as [Subscriber, Subscriber];
    slow.isSlow = true;
    for (const n of [1, 2, 3]) for (const { source } of [slow, quick]) source.add(changeOf(n));
    await until(() => quick.received.length === 3);
    expect(slow.received).toEqual([1]);
    for (const n of [4, 5]) for (const { source } of [slow, quick]) source.add(changeOf(n));
    expect(slow.source.waiting.map(({ n }) => n)).toEqual([4, 5]);
    slow.isSlow = false;
    slow.accept();
    await until(() => slow.received.length === 5);
    expect(slow.received).toEqual([1, 2, 3, 4, 5]);
    slow.source.add(changeOf(6));
    await until(() => slow.received.length === 6);
  });

  it('leave changes in the source while many responses are pending', async () => {
    let settle: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (settle = resolve));
    const [one] = open(1, async (n) => {
      await gate;
      return n;
    }) as [Subscriber];
    const numbers = Array.from({ length: 150 }, (_, index) => index + 1);
    one.source.add(...numbers.map((n) => changeOf(n)));
    expect(one.source.waiting).toHaveLength(50);
    settle();
    await until(() => one.received.length === 150);
    expect(one.received).toEqual(numbers);
  });

  it('end after the last response, or with the error of their source', async () => {
    const [complete, failing] = open(2) as [Subscriber, Subscriber];
    complete.source.add(changeOf(1));
    complete.source.end();
    await complete.ended;
    expect(complete.received).toEqual([1]);
    failing.source.end(new Error('too slow'));
    await expect(failing.ended).rejects.toThrow('too slow');
    expect([complete.source.isReturned, failing.source.isReturned]).toEqual([true, true]);
  });

  it('end with the error of a change that cannot be completed', async () => {
    const all = open(2, () => Promise.reject(new Error('deleted')));
    for (const { source } of all) source.add(changeOf(1));
    for (const { ended } of all) await expect(ended).rejects.toThrow('deleted');
    expect(all.map(({ source }) => source.isReturned)).toEqual([true, true]);
  });

  it('send nothing after they were stopped', async () => {
    const [one, other] = open(2) as [Subscriber, Subscriber];
    for (const { source } of [one, other]) source.add(changeOf(1));
    one.stop();
    await one.ended;
    await until(() => other.received.length === 1);
    expect([one.received, one.source.isReturned]).toEqual([[], true]);
  });
});
