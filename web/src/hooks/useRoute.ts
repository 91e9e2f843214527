import { useSyncExternalStore } from 'react';

/** A page of the studio. */
export type Route =
  | { readonly page: 'create' }
  | { readonly page: 'models' }
  | { readonly page: 'model'; readonly id: string }
  | { readonly page: 'avatars' }
  | { readonly page: 'account' };

/** The address of a page, after the `#`. */
export function pathOf(route: Route): string {
  switch (route.page) {
    case 'create':
      return '#/';
    case 'model':
      return `#/models/${encodeURIComponent(route.id)}`;
    case 'models':
    case 'avatars':
    case 'account':
      return `#/${route.page}`;
  }
}

/** Addresses that were cut off may contain incomplete escape sequences. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function parse(hash: string): Route {
  const [, page, id] = hash.split('/');
  if (page === 'models' && id) return { page: 'model', id: decode(id) };
  if (page === 'models' || page === 'avatars' || page === 'account') return { page };
  return { page: 'create' };
}

function subscribe(listener: () => void): () => void {
  addEventListener('hashchange', listener);
  return () => removeEventListener('hashchange', listener);
}

/** The page in the address bar. */
export function useRoute(): Route {
  return parse(useSyncExternalStore(subscribe, () => location.hash));
}

export function navigate(route: Route): void {
  location.hash = pathOf(route);
}
