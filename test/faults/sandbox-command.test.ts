import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

it('likeness sandbox prints the settings of a gateway that polls as fast as this sandbox is', async () => {
  const sandbox = spawn(
    process.execPath,
    ['dist/cli/likeness.js', 'sandbox', '--port', '0', '--speed', '600'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  try {
    const lines: string[] = [];
    for await (const line of createInterface(sandbox.stdout)) {
      lines.push(line);
      if (line.includes('npm start')) break;
    }
    expect(lines.at(-1)).toMatch(/PICSART_BASE_URL=\S+ PICSART_API_KEY=\S+ POLL_SPEED=600 npm start$/);
  } finally {
    sandbox.kill('SIGKILL');
    await once(sandbox, 'exit');
  }
});
