const isLoopback = (host: string): boolean => ['localhost', '127.0.0.1', '[::1]'].includes(host);

/**
 * A URL of the API as this page may load it. The server names itself by one address, and the page may have been opened at
 * another name of the same machine, for example localhost instead of 127.0.0.1.
 */
export function reachableUrl(url: string): string {
  const target = new URL(url);
  const isOtherName = target.host !== location.host && isLoopback(target.hostname);
  return isOtherName && isLoopback(location.hostname)
    ? `${location.origin}${target.pathname}${target.search}`
    : url;
}
