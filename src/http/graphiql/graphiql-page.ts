import type { ExampleTab } from './examples';
import { pageScript } from './page-script';

/** Inline, because browsers otherwise request /favicon.ico and report an error. */
const icon = `data:image/svg+xml,${encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#d60590"/>' +
    '<g fill="#fff" fill-opacity=".65"><circle cx="12" cy="16" r="7"/><circle cx="20" cy="16" r="7"/></g></svg>',
)}`;

export interface PageOptions {
  readonly scripts: readonly string[];
  readonly styles: readonly string[];
  readonly graphqlPath: string;
  /** The tabs of the first visit. */
  readonly tabs: readonly ExampleTab[];
  /** Whether clients need a key or token: the page then has a field for it. */
  readonly asksForKey: boolean;
  /** The CSP nonce of the page's own scripts. */
  readonly nonce: string;
}

/** Sent with all requests and sockets of all tabs, unless a tab has an Authorization header of its own. */
const keyField =
  '<label id="key">Key or token <input type="password" autocomplete="off" spellcheck="false" placeholder="needed by this server"></label>';

const style = `body { margin: 0; display: flex; flex-direction: column; height: 100vh }
#graphiql { flex: 1; min-height: 0 }
#key { font: 14px system-ui, sans-serif; padding: 6px 12px; background: #fff; color: #222; border-bottom: 1px solid #ccc }
#key input { font: inherit; width: 30em; max-width: 60vw }`;

/**
 * The HTML page. Headers from the headers editor are sent as HTTP headers, and as the payload of `connection_init` for
 * WebSockets, where browsers cannot send headers.
 */
export function graphiqlPage({ scripts, styles, nonce, ...content }: PageOptions): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Likeness · GraphiQL</title>
<link rel="icon" href="${icon}">
${styles.map((path) => `<link rel="stylesheet" href="${path}">`).join('\n')}
<style nonce="${nonce}">${style}</style>
</head>
<body>
${content.asksForKey ? keyField : ''}
<div id="graphiql">Loading…</div>
${scripts.map((path) => `<script nonce="${nonce}" src="${path}"></script>`).join('\n')}
<script nonce="${nonce}">${pageScript(content)}</script>
</body>
</html>
`;
}
