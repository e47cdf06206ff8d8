// Every widget of the page: a compute, its title, and how its value is drawn.

import { drawBars, drawList, drawNumber } from "./drawing.js";

export const WIDGETS = [
  ["revenue_today", "Revenue", drawNumber],
  ["orders_today", "Orders", drawNumber],
  ["average_order", "Average order", drawNumber],
  ["revenue_of_the_week", "Revenue of seven days", drawNumber],
  ["visitors_today", "Visitors", drawNumber],
  ["conversion_today", "Visitors who buy", drawNumber],
  ["returns_today", "Returns", drawNumber],
  ["return_rate", "Orders that come back", drawNumber],
  ["rating", "Rating", drawNumber],
  ["stock_value", "Value of the stock", drawNumber],
  ["revenue_by_day", "Revenue by day, €", drawBars],
  ["orders_by_day", "Orders by day", drawBars],
  ["visitors_by_day", "Visitors by day", drawBars],
  ["revenue_by_store", "Revenue by store, €", drawBars],
  ["visitors_by_store", "Visitors by store", drawBars],
  ["conversion_by_store", "Visitors who buy by store, %", drawBars],
  ["best_sellers", "Best sellers", drawBars],
  ["stock_levels", "Units in stock", drawBars],
  ["reviews_by_stars", "Reviews by stars", drawBars],
  ["to_reorder", "To reorder", drawList],
];
