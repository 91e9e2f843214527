// Preloaded into every server under test: returns the process's memory after a garbage collection.
process.on('message', ({ type }) => {
  if (type !== 'memory') return;
  global.gc();
  setTimeout(() => {
    global.gc();
    process.send({ to: 'memory', rss: process.memoryUsage.rss() });
  }, 300);
});
process.on('disconnect', () => process.exit());
