# A phone quote: line items, a discount, tax. Money is Decimal from beginning to end.
# The inputs are in quote.json; the program sees each as a name of its own.
from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")


def money(amount):
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


subtotal = Decimal("0.00")
for item in items:
    line = money(item["price"] * item["quantity"])
    print(f"{item['quantity']} x {item['name']}: {line}")
    subtotal += line

discount = money(subtotal * discount_rate)
tax = money((subtotal - discount) * tax_rate)

result = {
    "subtotal": subtotal,
    "discount": discount,
    "tax": tax,
    "total": subtotal - discount + tax,
    "currency": currency,
}
