defmodule Understudy.Decimal do
  @moduledoc "Exact decimal numbers: value = sign * coef * 10^exp; coef may be :NaN or :inf."
  defstruct sign: 1, coef: 0, exp: 0

  def new(%__MODULE__{} = decimal), do: decimal
  def new(number) when is_integer(number), do: %__MODULE__{sign: sign(number), coef: abs(number)}
  def new(number) when is_float(number), do: number |> Float.to_string() |> new()

  def new(text) when is_binary(text) do
    case Regex.run(~r/^([+-]?)(?:(\d+)(?:\.(\d*))?|\.(\d+))(?:[eE]([+-]?\d+))?$/, text) do
      nil -> special(text)
      [_, sign | parts] -> finite(sign, parts)
    end
  end

  def from_float(number), do: new(number)

  defp finite(sign, parts) do
    [whole, after_whole, alone, exponent] = Enum.take(parts ++ ["", "", "", ""], 4)
    fraction = after_whole <> alone
    exponent = if exponent == "", do: 0, else: String.to_integer(exponent)
    coef = String.to_integer("0" <> whole <> fraction)
    %__MODULE__{sign: if(sign == "-", do: -1, else: 1), coef: coef, exp: exponent - byte_size(fraction)}
  end

  # A NaN may carry digits, which exp keeps.
  defp special(text) do
    case Regex.run(~r/^([+-]?)(?:(inf)(?:inity)?|(s?nan)(\d*))$/i, text) do
      [_, sign, _inf] -> %__MODULE__{sign: if(sign == "-", do: -1, else: 1), coef: :inf}
      [_, sign, "", kind, digits] ->
        coef = if String.downcase(kind) == "snan", do: :sNaN, else: :NaN
        exp = if digits == "", do: 0, else: String.to_integer(digits)
        %__MODULE__{sign: if(sign == "-", do: -1, else: 1), coef: coef, exp: exp}
      nil -> raise ArgumentError, "#{inspect(text)} is not a decimal number"
    end
  end

  def add(one, other) do
    {a, b, exp} = aligned(one, other)
    from_integer(a + b, exp)
  end

  def sub(one, other), do: add(one, negate(other))

  def mult(one, other) do
    {one, other} = {new(one), new(other)}
    from_integer(signed(one) * signed(other), one.exp + other.exp)
  end

  def negate(number) do
    decimal = new(number)
    %{decimal | sign: -decimal.sign}
  end

  def compare(one, other) do
    {a, b, _} = aligned(one, other)
    cond do
      a < b -> :lt
      a > b -> :gt
      true -> :eq
    end
  end

  def eq?(one, other), do: compare(one, other) == :eq
  def equal?(one, other), do: eq?(one, other)
  def lt?(one, other), do: compare(one, other) == :lt
  def gt?(one, other), do: compare(one, other) == :gt
  def positive?(number), do: signed(new(number)) > 0
  def negative?(number), do: signed(new(number)) < 0

  @doc "To so many places; :half_up, :half_even or :down."
  def round(number, places \\ 0, mode \\ :half_up) do
    decimal = new(number)
    drop = -places - decimal.exp

    if drop <= 0 do
      %{decimal | coef: decimal.coef * power(-drop), exp: -places}
    else
      divisor = power(drop)
      {quotient, rest} = {div(decimal.coef, divisor), rem(decimal.coef, divisor)}
      up? =
        case mode do
          :down -> false
          :half_up -> rest * 2 >= divisor
          :half_even -> rest * 2 > divisor or (rest * 2 == divisor and rem(quotient, 2) == 1)
        end
      %{decimal | coef: if(up?, do: quotient + 1, else: quotient), exp: -places}
    end
  end

  def to_float(number) do
    decimal = new(number)
    {float, ""} = Float.parse("#{signed(decimal)}.0e#{decimal.exp}")
    float
  end

  def to_integer(number), do: number |> Understudy.Decimal.round(0, :down) |> signed()

  def to_string(decimal, _mode \\ :normal)
  def to_string(%{coef: coef} = decimal, _mode) when is_atom(coef), do: exact(decimal)

  def to_string(decimal, _mode) do
    sign = if decimal.sign < 0, do: "-", else: ""
    digits = Integer.to_string(decimal.coef)

    if decimal.exp >= 0 do
      sign <> digits <> String.duplicate("0", decimal.exp)
    else
      digits = String.pad_leading(digits, 1 - decimal.exp, "0")
      {whole, fraction} = String.split_at(digits, decimal.exp)
      sign <> whole <> "." <> fraction
    end
  end

  @doc false
  def exact(%{sign: sign, coef: coef, exp: exp}) do
    minus = if sign < 0, do: "-", else: ""

    case coef do
      :inf -> minus <> "Infinity"
      kind when is_atom(kind) -> minus <> Atom.to_string(kind) <> if(exp == 0, do: "", else: Integer.to_string(exp))
      _ -> "#{minus}#{coef}E#{exp}"
    end
  end

  defp sign(number), do: if(number < 0, do: -1, else: 1)
  defp signed(decimal), do: decimal.sign * decimal.coef
  defp power(exponent), do: Integer.pow(10, exponent)
  defp from_integer(number, exp), do: %__MODULE__{sign: sign(number), coef: abs(number), exp: exp}

  defp aligned(one, other) do
    {one, other} = {new(one), new(other)}
    exp = min(one.exp, other.exp)
    {signed(one) * power(one.exp - exp), signed(other) * power(other.exp - exp), exp}
  end
end

defimpl String.Chars, for: Understudy.Decimal do
  def to_string(decimal), do: Understudy.Decimal.to_string(decimal)
end

defimpl Inspect, for: Understudy.Decimal do
  def inspect(decimal, _options), do: "#Decimal<#{Understudy.Decimal.to_string(decimal)}>"
end
