const channelName = 'likeness.signOut';

/** Signs an owner out in the other tabs of this browser, since the next person at it must not find one. */
export function signOutElsewhere(owner: string): void {
  const channel = new BroadcastChannel(channelName);
  channel.postMessage(owner);
  channel.close();
}

/** Calls back when an owner has signed out in another tab. Returns a function that ends it. */
export function onSignOutElsewhere(owner: string, listener: () => void): () => void {
  const channel = new BroadcastChannel(channelName);
  channel.onmessage = ({ data }) => {
    if (data === owner) listener();
  };
  return () => channel.close();
}
