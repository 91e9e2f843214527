import { get } from 'node:http';
import { createServer } from 'node:net';
import { codeOf } from '../core/errors';
import { isLoopback } from '../core/networks';

/** How long a server at the address has to identify itself, in milliseconds. */
const identifyMs = 1_000;

const maxPort = 65_535;

/**
 * Checks that a server can listen at an address, by opening and closing one, so that a start that cannot succeed fails
 * before it prepares anything.
 * @param port - 0 is always free
 * @param settingPrefix - of the settings HOST and PORT that the error names
 * @throws Error that says why not, and what to do
 */
export async function checkAddress(host: string, port: number, settingPrefix = ''): Promise<void> {
  if (port === 0) return;
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  } catch (error) {
    throw await listenError(error, host, port, settingPrefix);
  }
  await new Promise((resolve) => server.close(resolve));
}

/** The error of a server that cannot listen: it says why, and what to do. */
export async function listenError(
  cause: unknown,
  host: string,
  port: number,
  settingPrefix = '',
): Promise<Error> {
  const reason = (await reasonOf(cause, host, port)).replace(/\b(PORT|HOST)\b/g, `${settingPrefix}$1`);
  return new Error(`cannot listen on port ${port} of ${host}: ${reason}`, { cause });
}

async function reasonOf(error: unknown, host: string, port: number): Promise<string> {
  const code = codeOf(error);
  const other = otherPort(port);
  if (code === 'EADDRINUSE')
    return (await isLikeness(host, port))
      ? `another Likeness uses it. Stop that one, or set PORT to another port: PORT=${other}`
      : `another program uses it. Set PORT to another port: PORT=${other}`;
  if (code === 'EACCES')
    return 'this user is not permitted to use it. Ports below 1024 need special rights: set PORT to a higher one, such as PORT=4000';
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return `HOST=${host} is not an address of this machine. Set HOST=127.0.0.1, or HOST=0.0.0.0 for all addresses`;
  return `${code ?? 'unknown error'}. Set PORT or HOST to another value`;
}

const otherPort = (port: number): number => (port < maxPort ? port + 1 : port - 1);

/** Whether a Likeness of any version answers at a port of this machine. Never rejects. */
function isLikeness(host: string, port: number): Promise<boolean> {
  const address = isLoopback(host) || host.includes(':') ? host : '127.0.0.1';
  return new Promise((resolve) => {
    const options = { host: address, port, path: '/healthz', agent: false, timeout: identifyMs };
    const request = get(options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text = (text + part).slice(0, 100)));
      response.on('end', () => resolve(text === '{"status":"alive"}' && 'x-request-id' in response.headers));
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false)).on('close', () => resolve(false));
  });
}
