// A help page is text: the colours are all that moves on it.

import { openTheme } from "./theme.js";

openTheme(() => {});
