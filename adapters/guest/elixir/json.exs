defmodule Understudy.JSON do
  @moduledoc false
  # JSON text to maps, lists, binaries, numbers. The host wrote it, so it is well formed.

  def parse(text) do
    {value, _rest} = value(skip(text))
    value
  end

  defp value(<<"\"", rest::binary>>), do: string(rest, rest, 0, [])
  defp value(<<"{", rest::binary>>), do: object(skip(rest), [])
  defp value(<<"[", rest::binary>>), do: array(skip(rest), [])
  defp value(<<"null", rest::binary>>), do: {nil, rest}
  defp value(<<"true", rest::binary>>), do: {true, rest}
  defp value(<<"false", rest::binary>>), do: {false, rest}
  defp value(text), do: number(text, text, 0, false)

  defp skip(<<c, rest::binary>>) when c in ~c" \t\r\n,:", do: skip(rest)
  defp skip(text), do: text

  defp object(<<"}", rest::binary>>, pairs), do: {Map.new(pairs), rest}

  defp object(<<"\"", rest::binary>>, pairs) do
    {key, rest} = string(rest, rest, 0, [])
    {item, rest} = value(skip(rest))
    object(skip(rest), [{key, item} | pairs])
  end

  defp array(<<"]", rest::binary>>, items), do: {Enum.reverse(items), rest}

  defp array(text, items) do
    {item, rest} = value(text)
    array(skip(rest), [item | items])
  end

  defp string(<<"\"", rest::binary>>, start, length, parts) do
    {IO.iodata_to_binary([parts | binary_part(start, 0, length)]), rest}
  end

  defp string(<<"\\u", hex::binary-size(4), rest::binary>>, start, length, parts) do
    {character, rest} = escape(String.to_integer(hex, 16), rest)
    string(rest, rest, 0, [parts, binary_part(start, 0, length) | character])
  end

  defp string(<<"\\", c, rest::binary>>, start, length, parts) do
    character = Map.get(%{?n => "\n", ?t => "\t", ?r => "\r", ?b => "\b", ?f => "\f"}, c, <<c>>)
    string(rest, rest, 0, [parts, binary_part(start, 0, length) | character])
  end

  defp string(<<_, rest::binary>>, start, length, parts), do: string(rest, start, length + 1, parts)

  defp escape(high, <<"\\u", hex::binary-size(4), rest::binary>>) when high in 0xD800..0xDBFF do
    low = String.to_integer(hex, 16)
    {<<0x10000 + (high - 0xD800) * 0x400 + (low - 0xDC00)::utf8>>, rest}
  end

  defp escape(code, rest), do: {<<code::utf8>>, rest}

  defp number(<<c, rest::binary>>, start, length, float?) when c in ~c"0123456789+-.eE" do
    number(rest, start, length + 1, float? or c in ~c".eE")
  end

  defp number(rest, start, length, false), do: {String.to_integer(binary_part(start, 0, length)), rest}

  defp number(rest, start, length, true) do
    {float, ""} = Float.parse(binary_part(start, 0, length))
    {float, rest}
  end
end
