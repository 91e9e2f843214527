import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { problemOf, readProblem, type Problem } from '../api/errors';
import {
  beginOrder,
  endOrder,
  isExpired,
  orderLifetime,
  randomKey,
  readPendingOrders,
  type Order,
} from '../api/orders';
import { useSession } from '../api/session';
import { type Lifetime } from '../api/storage';

export interface OrderState<Input> {
  /**
   * Does nothing while an order is being sent, and for a second after it. An order that a reload would forget is sent when
   * it is submitted again, after `problem` has said so.
   */
  submit(input: Input): void;
  readonly isSending: boolean;
  /** Why the last attempt failed. A temporary one is repeated without being asked. */
  readonly problem: Problem | null;
}

const retryMs = 2_500;
/** After an order, so that the second click of a double click does not order again. */
const restMs = 1_000;
const expired = problemOf('ORDER_EXPIRED', 'An order was never confirmed, and is too old to be sent again.');

const unkept = problemOf('ORDER_NOT_KEPT', 'Nothing was ordered yet: this browser cannot keep the order.');

const keptFor: Readonly<Record<Lifetime, string>> = {
  browser: 'for 24 hours, and sent again when you return to this page',
  tab: 'until you close this tab, and sent again when you return to this page',
  page: 'until you close or reload this page, and sent again when you return to it',
};

/** Says what happens to an order that is kept, and not repeated without being asked. */
function withAdvice(problem: Problem, lifetime: Lifetime): Problem {
  if (problem.isFinal || problem.isTemporary) return problem;
  const kept = `The order is kept ${keptFor[lifetime]}: it is paid once.`;
  return { ...problem, advice: problem.advice === null ? kept : `${problem.advice} ${kept}` };
}

/**
 * Sends a mutation that is paid for, once: repeats it with the same key until the server has answered, also after a reload.
 * @param send - the call of the client module, with the key of the order
 * @param onDone - called once with the result
 * @param newKey - makes the key of a new order
 */
export function useOrder<Input, Result>(
  slot: string,
  send: (order: Order<Input>) => Promise<Result>,
  onDone: (result: Result) => void,
  newKey: (input: Input) => string = randomKey,
): OrderState<Input> {
  const { owner } = useSession();
  const [isSending, setSending] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const isBusy = useRef(false);
  const refused = useRef<Order<Input> | null>(null);
  /** The input, as JSON, that was last refused because it cannot be kept. */
  const unkeptInput = useRef<string | null>(null);
  const latest = useRef({ send, onDone });
  const ended = useRef(new AbortController());

  /** Returns whether the order has ended; if not, it is kept. */
  const settle = useCallback(
    async (order: Order<Input>, controller: AbortController): Promise<boolean> => {
      while (!controller.signal.aborted) {
        if (isExpired(order)) {
          endOrder(owner, slot, order);
          setProblem(expired);
          return true;
        }
        const { result, refusal } = await attempt(latest.current.send(order));
        // An order whose page was left is sent again there, and answered with the same result.
        if (ended.current !== controller) return false;
        setProblem(refusal && withAdvice(refusal, orderLifetime(owner, slot, order)));
        if (!refusal || refusal.isFinal) endOrder(owner, slot, order);
        if (!refusal) {
          latest.current.onDone(result);
          await pause(restMs, controller.signal);
          return true;
        }
        if (!refusal.isTemporary) return refusal.isFinal;
        await pause(retryMs, controller.signal);
      }
      return false;
    },
    [owner, slot],
  );

  const run = useCallback(
    async (orders: readonly Order<Input>[]): Promise<void> => {
      if (isBusy.current || orders.length === 0) return;
      isBusy.current = true;
      setSending(true);
      refused.current = null;
      const controller = ended.current;
      try {
        for (const order of orders) {
          if (await settle(order, controller)) continue;
          refused.current = order;
          return;
        }
      } finally {
        isBusy.current = false;
        setSending(false);
      }
    },
    [settle],
  );

  useLayoutEffect(() => {
    latest.current = { send, onDone };
  });

  useEffect(() => {
    const controller = new AbortController();
    ended.current = controller;
    void run(readPendingOrders<Input>(owner, slot));
    return () => {
      ended.current = new AbortController();
      controller.abort();
    };
  }, [owner, slot, run]);

  const submit = useCallback(
    (input: Input) => {
      // To begin an order stores it, so that it would be sent after a reload.
      if (isBusy.current) return;
      const text = JSON.stringify(input);
      const isUnkeptAccepted = unkeptInput.current === text;
      const options = { refused: refused.current, isUnkeptAccepted, newKey };
      const order = beginOrder(owner, slot, input, options);
      if (order) return void run([order]);
      unkeptInput.current = text;
      setProblem(unkept);
      // The second click of a double click does not accept it.
      isBusy.current = true;
      setTimeout(() => (isBusy.current = false), restMs);
    },
    [owner, slot, run, newKey],
  );
  return { submit, isSending, problem };
}

type Attempt<Result> = { result: Result; refusal: null } | { result: null; refusal: Problem };

function attempt<Result>(answer: Promise<Result>): Promise<Attempt<Result>> {
  return answer.then(
    (result) => ({ result, refusal: null }),
    (error: unknown) => ({ result: null, refusal: readProblem(error) }),
  );
}

/** Ends early when the browser is online again. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      removeEventListener('online', end);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    addEventListener('online', end);
    signal.addEventListener('abort', end);
  });
}
