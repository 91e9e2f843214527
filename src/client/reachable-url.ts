const loopback: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * A URL of the gateway as it can be reached. The gateway names itself by one address of this machine, for example
 * 127.0.0.1, and may have been opened at another name, for example localhost, which is another origin for browsers.
 * @param gatewayUrl - the URL that the gateway is reached at
 */
export function reachableUrl(url: string, gatewayUrl: string): string {
  const [target, gateway] = [new URL(url), new URL(gatewayUrl)];
  const isSameMachine = loopback.has(target.hostname) && loopback.has(gateway.hostname);
  return isSameMachine ? `${gateway.origin}${target.pathname}${target.search}` : url;
}
