// Preloaded into every server under test: reports memory and the delays of the event loop on command.
const { monitorEventLoopDelay } = require('node:perf_hooks');

const delays = monitorEventLoopDelay({ resolution: 20 });

const handlers = {
  /** Bytes after a garbage collection. */
  memory(answer) {
    global.gc();
    setTimeout(() => {
      global.gc();
      answer({ rss: process.memoryUsage.rss() });
    }, 300);
  },
  startDelays(answer) {
    delays.reset();
    delays.enable();
    answer({});
  },
  /** The 99th percentile in milliseconds since `startDelays`. */
  delays(answer) {
    delays.disable();
    answer({ p99: delays.percentile(99) / 1e6 });
  },
};

process.on('message', ({ type }) => handlers[type]?.((answer) => process.send({ to: type, ...answer })));
process.on('disconnect', () => process.exit());
