import { useState } from 'react';
import { loadableUrl } from '../api/urls';
import { useThumbhash } from '../hooks/useThumbhash';

export interface PictureProps {
  readonly url: string;
  readonly thumbhash: string;
  readonly alt: string;
  readonly className?: string;
}

/** A picture that appears over its placeholder. */
export function Picture({ url, thumbhash, alt, className = '' }: PictureProps): React.JSX.Element {
  const placeholder = useThumbhash(thumbhash);
  const [isLoaded, setLoaded] = useState(false);
  return (
    <span className={`picture ${className}`}>
      <img src={placeholder} alt="" className="picture-placeholder" />
      <img
        src={loadableUrl(url)}
        alt={alt}
        decoding="async"
        className={isLoaded ? 'picture-image loaded' : 'picture-image'}
        onLoad={() => setLoaded(true)}
      />
    </span>
  );
}
