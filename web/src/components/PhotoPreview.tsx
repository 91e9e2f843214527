import { useState } from 'react';
import { Icon } from './Icon';

/** A photo, or a symbol where browsers cannot show it. */
export function PhotoPreview({ url }: { url: string | null }): React.JSX.Element {
  const [brokenUrl, setBrokenUrl] = useState<string | null>(null);
  if (url === null || url === brokenUrl) return <Icon name="image" />;
  return <img src={url} alt="" onError={() => setBrokenUrl(url)} />;
}
