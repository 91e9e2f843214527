import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { readProblem, type Problem } from '../api/errors';
import { beginOrder, endOrder, readOrder, type Order } from '../api/orders';
import { useSession } from '../api/session';

export interface OrderState<Input> {
  /** Does nothing while an order is being sent. */
  submit(input: Input): void;
  readonly isSending: boolean;
  /** Why the last attempt failed. A temporary one is repeated without being asked. */
  readonly problem: Problem | null;
}

const retryMs = 2_500;

/**
 * Sends a mutation that is paid for, once: repeats it with the same key until the server has answered, also after a reload.
 * @param send - the call of the client module, with the key of the order
 * @param onDone - called once with the result
 */
export function useOrder<Input, Result>(
  slot: string,
  send: (order: Order<Input>) => Promise<Result>,
  onDone: (result: Result) => void,
): OrderState<Input> {
  const { owner } = useSession();
  const [isSending, setSending] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const isBusy = useRef(false);
  const latest = useRef({ send, onDone });
  const ended = useRef(new AbortController());

  const run = useCallback(
    async (order: Order<Input>): Promise<void> => {
      if (isBusy.current) return;
      isBusy.current = true;
      setSending(true);
      const controller = ended.current;
      const { signal } = controller;
      try {
        while (!signal.aborted) {
          const { result, refusal } = await attempt(latest.current.send(order));
          // An order whose page was left is sent again there, and answered with the same result.
          if (ended.current !== controller) return;
          if (!refusal?.isTemporary) endOrder(owner, slot);
          setProblem(refusal);
          if (!refusal) latest.current.onDone(result);
          if (!refusal?.isTemporary) return;
          await pause(retryMs, signal);
        }
      } finally {
        isBusy.current = false;
        setSending(false);
      }
    },
    [owner, slot],
  );

  useLayoutEffect(() => {
    latest.current = { send, onDone };
  });

  useEffect(() => {
    const controller = new AbortController();
    ended.current = controller;
    const unanswered = readOrder<Input>(owner, slot);
    if (unanswered) void run(unanswered);
    return () => {
      ended.current = new AbortController();
      controller.abort();
    };
  }, [owner, slot, run]);

  const submit = useCallback((input: Input) => void run(beginOrder(owner, slot, input)), [owner, slot, run]);
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
