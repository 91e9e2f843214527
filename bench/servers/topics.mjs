// Events of the subscription servers: made in their process, on commands of the benchmark.
const listeners = new Map();

/** What a subscriber receives first. */
export const snapshot = () => eventOf(true);

function eventOf(isSnapshot) {
  return { isSnapshot, status: 'TRAINING', progress: 50, estimatedReadyAt: new Date().toISOString() };
}

/** Calls `listener` with each event of a topic. @returns removes the listener */
export function subscribe(topic, listener) {
  const set = listeners.get(topic) ?? new Set();
  listeners.set(topic, set.add(listener));
  return () => {
    set.delete(listener);
    if (set.size === 0) listeners.delete(topic);
  };
}

/** An iterator of a topic's events, after a snapshot. */
export function eventsOf(topic) {
  const queue = [{ trainingProgress: snapshot() }];
  let wake = null;
  let isOver = false;
  const remove = subscribe(topic, (event) => {
    queue.push({ trainingProgress: event });
    wake?.();
  });
  return {
    async next() {
      while (queue.length === 0 && !isOver) await new Promise((resolve) => (wake = resolve));
      return isOver ? { value: undefined, done: true } : { value: queue.shift(), done: false };
    },
    return() {
      isOver = true;
      remove();
      wake?.();
      return Promise.resolve({ value: undefined, done: true });
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

// One event for each of the given topics, 200 per turn of the event loop.
process.on('message', ({ type, topics }) => {
  if (type !== 'publish') return;
  const next = (start) => {
    for (const topic of topics.slice(start, start + 200)) {
      const event = eventOf(false);
      for (const listener of listeners.get(topic) ?? []) listener(event);
    }
    if (start + 200 < topics.length) setImmediate(next, start + 200);
    else process.send({ to: 'publish' });
  };
  next(0);
});
