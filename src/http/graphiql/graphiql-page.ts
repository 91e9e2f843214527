import type { ExampleTab } from './examples';

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
  /** The CSP nonce of the page's own scripts. */
  readonly nonce: string;
}

/**
 * The HTML page. Headers from the headers editor are sent as HTTP headers, and as the payload of `connection_init` for
 * WebSockets, where browsers cannot send headers.
 */
export function graphiqlPage({ scripts, styles, graphqlPath, tabs, nonce }: PageOptions): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Likeness · GraphiQL</title>
<link rel="icon" href="${icon}">
${styles.map((path) => `<link rel="stylesheet" href="${path}">`).join('\n')}
<style nonce="${nonce}">body { margin: 0 } #graphiql { height: 100vh }</style>
</head>
<body>
<div id="graphiql">Loading…</div>
${scripts.map((path) => `<script nonce="${nonce}" src="${path}"></script>`).join('\n')}
<script nonce="${nonce}">${pageScript(graphqlPath, tabs)}</script>
</body>
</html>
`;
}

function pageScript(graphqlPath: string, tabs: readonly ExampleTab[]): string {
  // Prevents `</script>` in the embedded JSON.
  const embedded = (value: unknown): string => JSON.stringify(value).replaceAll('<', '\\u003c');
  return `
const path = ${embedded(graphqlPath)};
const sockets = new Map();
const socketFor = (headers) => {
  const key = JSON.stringify(headers);
  if (!sockets.has(key)) {
    const url = location.origin.replace(/^http/, 'ws') + path;
    sockets.set(key, graphqlWs.createClient({ url, connectionParams: headers }));
  }
  return sockets.get(key);
};
const fetcher = (parameters, options) => {
  const wsClient = socketFor((options && options.headers) || {});
  return GraphiQL.createFetcher({ url: path, wsClient })(parameters, options);
};
ReactDOM.createRoot(document.getElementById('graphiql')).render(
  React.createElement(GraphiQL, {
    fetcher,
    defaultTabs: ${embedded(tabs)},
    defaultEditorToolsVisibility: true,
    shouldPersistHeaders: false,
  }),
);
`;
}
