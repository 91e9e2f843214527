import { useEffect } from 'react';
import { pendingSlots } from '../api/orders';
import { useSession } from '../api/session';
import { type Announcements } from './useAnnouncements';
import { pathOf, type Route } from './useRoute';

/** The page that sends the orders of a slot. Generations do not name their model: it is one of the list. */
function routeOf(slot: string): Route {
  const [, id] = /[.](model_.+)$/.exec(slot) ?? [];
  if (id !== undefined) return { page: 'model', id };
  return { page: slot === 'train' ? 'create' : 'models' };
}

/** Says, on each page, that another page has an order that is not confirmed. */
export function usePendingOrders(route: Route, announce: Announcements['announce']): void {
  const { owner } = useSession();
  const { page } = route;
  const address = pathOf(route);
  useEffect(() => {
    const isHere = (place: Route): boolean =>
      pathOf(place) === address || (place.page === 'models' && page === 'model');
    const place = pendingSlots(owner)
      .map(routeOf)
      .find((other) => !isHere(other));
    if (!place) return;
    const text = 'An order is not confirmed yet. It is sent while its page is open.';
    announce({ tone: 'plain', text, link: { label: 'Open it', route: place } });
  }, [owner, page, address, announce]);
}
